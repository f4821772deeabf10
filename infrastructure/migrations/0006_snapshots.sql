-- Snapshots of long pathways: derived from the log, sealed like events, dropped at will.
CREATE TABLE snapshots (
    taken_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    stream_id   uuid NOT NULL,
    subject     uuid NOT NULL,
    version     integer NOT NULL,
    territory   text COLLATE "C" NOT NULL,
    schema_hash text COLLATE "C" NOT NULL,  -- Of the code that took it: other code does not find it.
    payload     bytea NOT NULL,
    PRIMARY KEY (territory, stream_id, schema_hash)
);
ALTER TABLE snapshots ALTER COLUMN payload SET STORAGE EXTERNAL;
