-- The Merkle tree over each territory's leaves (RFC 6962), its signed checkpoints, and the only change an event may
-- undergo: losing its payload once its person is erased. The leaf covers the payload's hash, so every root stays valid.

DROP TRIGGER events_never_change ON events;
CREATE TRIGGER events_never_change BEFORE DELETE OR TRUNCATE ON events
    FOR EACH STATEMENT EXECUTE FUNCTION events_never_change();

-- What tells that a person was erased; rare, so small.
CREATE INDEX events_person_erased ON events (territory, subject) WHERE topic = 'person.erased';

CREATE FUNCTION events_only_lose_payloads() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    unpruned events := NEW;
BEGIN
    unpruned.payload := OLD.payload;
    IF NEW.payload IS NOT NULL OR unpruned IS DISTINCT FROM OLD OR OLD.topic = 'person.erased' OR NOT EXISTS (
        SELECT FROM events WHERE territory = OLD.territory AND subject = OLD.subject AND topic = 'person.erased'
    ) THEN
        RAISE EXCEPTION 'events never change' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER events_only_lose_payloads BEFORE UPDATE ON events
    FOR EACH ROW EXECUTE FUNCTION events_only_lose_payloads();

-- Drops the payloads of an erased person among the positions after p_after and up to p_until; returns how many.
-- Refuses when no event says that the person was erased. Doing it again does nothing.
CREATE FUNCTION prune_payloads(
    p_territory text, p_subject uuid, p_after bigint DEFAULT 0, p_until bigint DEFAULT 9223372036854775807
) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    pruned bigint;
BEGIN
    IF NOT EXISTS (
        SELECT FROM events WHERE territory = p_territory AND subject = p_subject AND topic = 'person.erased'
    ) THEN
        RAISE EXCEPTION 'no event says that this person was erased' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    UPDATE events SET payload = NULL
    WHERE territory = p_territory AND position > p_after AND position <= p_until AND subject = p_subject
        AND topic <> 'person.erased' AND payload IS NOT NULL;
    GET DIAGNOSTICS pruned = ROW_COUNT;
    RETURN pruned;
END $$;
REVOKE ALL ON FUNCTION prune_payloads FROM PUBLIC;

-- How far each territory's tree goes. Its row lock makes one sealer at a time.
CREATE TABLE merkle_trees (
    territory    text COLLATE "C" PRIMARY KEY,
    size         bigint NOT NULL DEFAULT 0 CHECK (size >= 0),
    verifier_key text NOT NULL  -- Of the key that signs: a sealer that holds another one refuses.
);

-- Hashes of the tree, 256 a tile, as C2SP tlog-tiles cuts them; the last tile of a level grows until it is full.
CREATE TABLE merkle_tiles (
    territory text COLLATE "C" NOT NULL,
    level     smallint NOT NULL,
    number    bigint NOT NULL,
    hashes    bytea NOT NULL CHECK (length(hashes) BETWEEN 32 AND 8192 AND length(hashes) % 32 = 0),
    PRIMARY KEY (territory, level, number)
);
ALTER TABLE merkle_tiles ALTER COLUMN hashes SET STORAGE EXTERNAL;  -- Hashes do not compress.

-- Signed notes, never withdrawn.
CREATE TABLE checkpoints (
    signed_at timestamptz NOT NULL,
    size      bigint NOT NULL CHECK (size > 0),
    territory text COLLATE "C" NOT NULL,
    note      text NOT NULL,
    PRIMARY KEY (territory, size)
);

-- What witnesses signed under a checkpoint: one more line of its note.
CREATE TABLE cosignatures (
    size      bigint NOT NULL,
    territory text COLLATE "C" NOT NULL,
    witness   text COLLATE "C" NOT NULL,
    line      text NOT NULL,
    PRIMARY KEY (territory, size, witness),
    FOREIGN KEY (territory, size) REFERENCES checkpoints
);

CREATE FUNCTION checkpoints_never_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'checkpoints never change' USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER checkpoints_never_change BEFORE UPDATE OR DELETE OR TRUNCATE ON checkpoints
    FOR EACH STATEMENT EXECUTE FUNCTION checkpoints_never_change();
