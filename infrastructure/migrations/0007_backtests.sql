-- Backtests asked for, and their results: rules, ids, codes and counts.
CREATE TABLE backtests (
    asked_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    started_at    timestamptz,
    ended_at      timestamptz,
    lease_until   timestamptz,       -- Renewed while it runs; once past, another process takes it over.
    since         timestamptz,
    until         timestamptz NOT NULL,
    known_at      bigint NOT NULL,   -- Position up to which the log is read.
    backtest_id   uuid NOT NULL,
    attempt       integer NOT NULL DEFAULT 0,
    pathways_done integer NOT NULL DEFAULT 0,
    pathways      integer,
    recorded      boolean NOT NULL DEFAULT false,
    territory     text COLLATE "C" NOT NULL,
    agency        text COLLATE "C" NOT NULL,
    agent         text COLLATE "C",
    mode          text COLLATE "C" NOT NULL,
    state         text COLLATE "C" NOT NULL DEFAULT 'queued'
                  CHECK (state IN ('queued', 'running', 'done', 'cancelled', 'failed')),
    document      text NOT NULL,
    fingerprint   bytea NOT NULL,
    result        bytea,
    PRIMARY KEY (territory, backtest_id),
    CHECK ((result IS NOT NULL) = (state = 'done'))
);
CREATE INDEX backtests_to_do ON backtests (asked_at) WHERE state IN ('queued', 'running');
