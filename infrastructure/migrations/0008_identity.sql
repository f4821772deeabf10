-- Who may come in beside API keys: partners' software and its tokens, people and their sessions, the first link.
-- No secret is ever here: only public keys and SHA-256s.

-- Software of a partner, known by its public keys (OAuth 2.0 client credentials, RFC 7523).
CREATE TABLE service_clients (
    created_at  timestamptz NOT NULL,
    disabled_at timestamptz,
    territory   text COLLATE "C" NOT NULL CHECK (territory <> ''),
    client_id   text COLLATE "C" NOT NULL,
    agency      text COLLATE "C" NOT NULL,
    label       text NOT NULL,
    scopes      text[] NOT NULL,
    keys        text NOT NULL,  -- A JSON Web Key Set (RFC 7517), without any private part.
    PRIMARY KEY (territory, client_id)
);
-- A client names itself before its territory is known.
CREATE UNIQUE INDEX service_clients_client_id ON service_clients (client_id);

CREATE TABLE access_tokens (
    issued_at    timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    revoked_at   timestamptz,
    member_id    uuid,           -- On whose behalf; null: the software's own.
    territory    text COLLATE "C" NOT NULL,
    client_id    text COLLATE "C" NOT NULL,
    scopes       text[] NOT NULL,
    token_sha256 bytea NOT NULL CHECK (length(token_sha256) = 32),
    bound_to     text COLLATE "C",  -- Thumbprint of the key that must go with it (RFC 9449); null: none.
    PRIMARY KEY (territory, token_sha256),
    FOREIGN KEY (territory, client_id) REFERENCES service_clients
);
CREATE UNIQUE INDEX access_tokens_sha256 ON access_tokens (token_sha256);
CREATE INDEX access_tokens_expires_at ON access_tokens (expires_at);

-- Identifiers of signed statements already shown: none is believed twice.
CREATE TABLE statements_shown (
    expires_at timestamptz NOT NULL,
    territory  text COLLATE "C" NOT NULL,
    shown_by   text COLLATE "C" NOT NULL,
    statement  bytea NOT NULL CHECK (length(statement) = 32),  -- SHA-256 of its identifier.
    PRIMARY KEY (territory, shown_by, statement)
);
CREATE INDEX statements_shown_expires_at ON statements_shown (expires_at);

-- People who came in at least once in a territory; who they are and what they may do is in their stream of the log.
CREATE TABLE members (
    territory text COLLATE "C" NOT NULL CHECK (territory <> ''),
    member_id uuid NOT NULL,
    PRIMARY KEY (territory, member_id)
);

CREATE TABLE sessions (
    began_at     timestamptz NOT NULL,
    seen_at      timestamptz NOT NULL,
    ends_at      timestamptz NOT NULL,
    ended_at     timestamptz,
    member_id    uuid NOT NULL,
    territory    text COLLATE "C" NOT NULL CHECK (territory <> ''),
    agency       text COLLATE "C" NOT NULL,
    token_sha256 bytea NOT NULL CHECK (length(token_sha256) = 32),
    PRIMARY KEY (territory, token_sha256)
);
CREATE UNIQUE INDEX sessions_sha256 ON sessions (token_sha256);
CREATE INDEX sessions_ends_at ON sessions (ends_at);

-- One-time links that make an operator. They come before any territory.
CREATE TABLE bootstrap_links (
    made_at     timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,
    used_at     timestamptz,
    code_sha256 bytea PRIMARY KEY CHECK (length(code_sha256) = 32)
);

-- Where an API key may be used from; empty: anywhere.
ALTER TABLE api_keys ADD COLUMN addresses text[] NOT NULL DEFAULT '{}';
