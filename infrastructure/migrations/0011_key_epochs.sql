-- Epochs of the key-encryption key come and go; persons' keys are wrapped anew from one to the next.
ALTER TABLE vault.keks
    ADD COLUMN made_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    ADD COLUMN retired_at   timestamptz,  -- When a later epoch took over.
    ADD COLUMN destroyed_at timestamptz,  -- Decided here first, then done where the key is kept: done again if need be.
    ADD CHECK (destroyed_at IS NULL OR retired_at IS NOT NULL);
CREATE UNIQUE INDEX keks_current ON vault.keks ((true)) WHERE retired_at IS NULL;

-- Finds what is left to wrap anew.
CREATE INDEX keys_by_epoch ON vault.keys (kek_epoch) WHERE wrapped IS NOT NULL;

-- Persons whose data are kept, and neither shown nor added to.
CREATE TABLE vault.restrictions (
    territory     text COLLATE "C" NOT NULL,
    subject       uuid NOT NULL,
    restricted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (territory, subject)
);

-- Each use of keys that showed something: an auditor finds its entry in the access log. Names nobody.
CREATE TABLE vault.uses (
    used_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    access_event uuid NOT NULL,
    keyrings     integer NOT NULL,
    territory    text COLLATE "C" NOT NULL,
    purpose      text COLLATE "C" NOT NULL,
    PRIMARY KEY (territory, access_event)
);

-- Versions of each territory's key for blind indexes; the keys themselves are in vault.keys, under ids of their own.
CREATE TABLE vault.index_keys (
    version    integer NOT NULL CHECK (version > 0),
    made_at    timestamptz NOT NULL,
    retired_at timestamptz,
    territory  text COLLATE "C" NOT NULL,
    PRIMARY KEY (territory, version)
);
