-- Searches for persons of the last hour: not whom somebody looked for, only the pathways that this may lead to.
CREATE TABLE person_searches (
    search_id    uuid NOT NULL,
    made_at      timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    territory    text COLLATE "C" NOT NULL,
    agency       text COLLATE "C" NOT NULL,
    who          text COLLATE "C" NOT NULL,
    token_sha256 bytea NOT NULL CHECK (length(token_sha256) = 32),
    found        uuid[] NOT NULL,   -- Pathways, each beside how it was found.
    found_by     text[] NOT NULL,
    PRIMARY KEY (territory, token_sha256)
);
CREATE INDEX ON person_searches (territory, agency, made_at);
