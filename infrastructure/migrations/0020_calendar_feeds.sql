-- Addresses at which a calendar program reads an agency's appointments. Of the secret in the address, its SHA-256 only.
CREATE TABLE calendar_feeds (
    feed_id      uuid NOT NULL,
    made_at      timestamptz NOT NULL,
    last_read_on date,                    -- UTC. Null: never.
    revoked_at   timestamptz,
    made_by      uuid,                    -- The member who asked for it; null: the agency's software.
    territory    text COLLATE "C" NOT NULL CHECK (territory <> ''),
    agency       text COLLATE "C" NOT NULL,
    agent        text COLLATE "C",        -- Whose appointments; null: the whole agency's.
    language     text COLLATE "C" NOT NULL CHECK (language IN ('fr', 'en')),
    token_sha256 bytea NOT NULL CHECK (length(token_sha256) = 32),
    PRIMARY KEY (territory, feed_id)
);
-- A calendar program shows its token before its territory is known.
CREATE UNIQUE INDEX calendar_feeds_sha256 ON calendar_feeds (token_sha256);
CREATE INDEX calendar_feeds_by_agency ON calendar_feeds (territory, agency, feed_id) WHERE revoked_at IS NULL;
