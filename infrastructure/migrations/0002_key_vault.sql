-- Persons' keys, wrapped by a key-encryption key that is never in the database. A schema of its own, so that it can
-- have its own grants, its own backups and one day its own server.
CREATE SCHEMA vault;

-- Which key-encryption keys this database was used with; tells a wrong or lost key file from a new installation.
CREATE TABLE vault.keks (
    epoch       integer PRIMARY KEY,
    fingerprint bytea NOT NULL
);

-- A destroyed key keeps its row without the key: it is never made again.
CREATE TABLE vault.keys (
    subject      uuid NOT NULL,
    generation   integer NOT NULL CHECK (generation BETWEEN 1 AND 65535),
    kek_epoch    integer NOT NULL,
    destroyed_at timestamptz,
    territory    text COLLATE "C" NOT NULL,
    compartment  text COLLATE "C" NOT NULL,
    wrapped      bytea CHECK (length(wrapped) = 60),  -- nonce(12), AES-256-GCM(key-encryption key, key), tag(16)
    commitment   bytea,                               -- HMAC-SHA256(key, place): GCM alone does not commit to its key.
    PRIMARY KEY (territory, subject, compartment, generation),
    CHECK ((wrapped IS NULL) = (destroyed_at IS NOT NULL) AND (wrapped IS NULL) = (commitment IS NULL))
);
ALTER TABLE vault.keys ALTER COLUMN wrapped SET STORAGE EXTERNAL;
