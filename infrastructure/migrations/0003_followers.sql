-- Who follows the log, and how far each follower has folded it. The tables of the projections themselves are made by
-- their builds (projections/registry.py), since they change with the code and not with the database.

-- A projection is built from zero beside the one in use, then takes its place. Queries go through a view over the live one.
CREATE TABLE projection_builds (
    name       text COLLATE "C" NOT NULL,
    version    integer NOT NULL,
    build      integer NOT NULL,
    status     text COLLATE "C" NOT NULL CHECK (status IN ('live', 'building', 'retired')),
    meaning    text COLLATE "C" NOT NULL DEFAULT '',  -- Of what the code's version leaves open: rules, calendars.
    tables     text[] NOT NULL,  -- As they are named in the database; dropped with the build.
    started_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (name, build)
);
CREATE UNIQUE INDEX projection_builds_live ON projection_builds (name) WHERE status = 'live';
CREATE UNIQUE INDEX projection_builds_building ON projection_builds (name) WHERE status = 'building';

-- One row per build and territory. `position` only moves in the transaction that writes what was folded up to it, and
-- only for the owner of the lease: whoever lost it writes nothing.
CREATE TABLE consumers (
    position    bigint NOT NULL DEFAULT 0 CHECK (position >= 0),  -- While replaying streams: how many events are folded.
    replayed    bigint,       -- While replaying stream by stream: the first position of the last stream folded.
    replay_head bigint,       -- Up to which position these streams are read. Null: follows the log page by page.
    lease_until timestamptz NOT NULL DEFAULT '-infinity',
    moved_at    timestamptz NOT NULL DEFAULT now(),
    build       integer NOT NULL,
    decisions   integer NOT NULL DEFAULT 0,  -- How often parked events were retried or skipped.
    territory   text COLLATE "C" NOT NULL,
    name        text COLLATE "C" NOT NULL,
    owner       text COLLATE "C",
    failing     text COLLATE "C",  -- Type of the error that holds it up. Null: none.
    PRIMARY KEY (territory, name, build),
    FOREIGN KEY (name, build) REFERENCES projection_builds ON DELETE CASCADE
) WITH (fillfactor = 25, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0);

-- Events a projection could not fold, with all later events of the same stream. Waiting ones are folded on retry;
-- a skipped one is left out for good, with who decided it. Only the type of an error is kept: its text may hold data.
CREATE TABLE parked_events (
    position   bigint NOT NULL,
    stream_id  uuid NOT NULL,
    parked_at  timestamptz NOT NULL DEFAULT now(),
    decided_at timestamptz,
    build      integer NOT NULL,
    territory  text COLLATE "C" NOT NULL,
    name       text COLLATE "C" NOT NULL,
    topic      text COLLATE "C" NOT NULL,
    error_type text COLLATE "C",  -- Null: waits behind an earlier event of its stream.
    status     text COLLATE "C" NOT NULL DEFAULT 'waiting' CHECK (status IN ('waiting', 'skipped')),
    decided_by text COLLATE "C",
    PRIMARY KEY (territory, name, build, position),
    FOREIGN KEY (name, build) REFERENCES projection_builds ON DELETE CASCADE
);
