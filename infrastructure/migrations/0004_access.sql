-- API keys of agencies. The secret is never here: only its SHA-256.
CREATE TABLE api_keys (
    created_at    timestamptz NOT NULL,
    expires_at    timestamptz NOT NULL,
    revoked_at    timestamptz,
    last_used_at  timestamptz,
    territory     text COLLATE "C" NOT NULL CHECK (territory <> ''),
    key_id        text COLLATE "C" NOT NULL,
    agency        text COLLATE "C" NOT NULL,
    label         text NOT NULL,
    scopes        text[] NOT NULL,
    secret_sha256 bytea NOT NULL CHECK (length(secret_sha256) = 32),
    live          boolean NOT NULL,
    PRIMARY KEY (territory, key_id)
);
-- A caller shows its key before its territory is known.
CREATE UNIQUE INDEX api_keys_key_id ON api_keys (key_id);
