-- The event log: one row per event, keyed by territory and position; nothing but append_events() appends to it.

-- The territory's last position. Its row lock is what puts commits in order; nobody holds it across a round trip.
CREATE TABLE log_head (
    territory   text COLLATE "C" PRIMARY KEY CHECK (territory <> ''),
    position    bigint NOT NULL DEFAULT 0,
    recorded_at timestamptz NOT NULL DEFAULT 'epoch'
) WITH (fillfactor = 10, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0);

CREATE TABLE events (
    recorded_at    timestamptz NOT NULL,
    position       bigint NOT NULL CHECK (position > 0),
    stream_id      uuid NOT NULL,
    subject        uuid,
    correlation_id uuid,
    causation_id   uuid,
    stream_version integer NOT NULL CHECK (stream_version > 0),
    territory      text COLLATE "C" NOT NULL,
    topic          text COLLATE "C" NOT NULL,
    agency         text COLLATE "C" NOT NULL,
    actor          text COLLATE "C",
    header         bytea NOT NULL,  -- The columns above in canonical bytes: what the leaf was computed from.
    payload        bytea,           -- Null once pruned; its hash stays.
    payload_sha256 bytea NOT NULL,
    leaf           bytea NOT NULL,  -- sha256(0x00 || header || payload_sha256)
    PRIMARY KEY (territory, position),
    CONSTRAINT events_stream_version UNIQUE (territory, stream_id, stream_version)
);
-- Ciphertext does not compress: trying costs time on every row.
ALTER TABLE events ALTER COLUMN payload SET STORAGE EXTERNAL, ALTER COLUMN header SET STORAGE EXTERNAL;

CREATE FUNCTION events_never_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'events never change' USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER events_never_change BEFORE UPDATE OR DELETE OR TRUNCATE ON events
    FOR EACH STATEMENT EXECUTE FUNCTION events_never_change();

-- What each command was answered, so that sending it again answers the same and appends nothing.
CREATE TABLE idempotency (
    recorded_at    timestamptz NOT NULL,
    expires_at     timestamptz,  -- Null: kept for ever.
    first_position bigint NOT NULL,
    last_position  bigint NOT NULL,
    version        integer NOT NULL,
    territory      text COLLATE "C" NOT NULL,
    client         text COLLATE "C" NOT NULL,
    key            text COLLATE "C" NOT NULL,
    fingerprint    bytea NOT NULL,
    outcome        bytea NOT NULL,
    PRIMARY KEY (territory, client, key)
);
CREATE INDEX idempotency_expires_at ON idempotency (expires_at) WHERE expires_at IS NOT NULL;

-- Appends a batch of commands of one territory, one verdict per command, in order: 0 appended, 1 stale version,
-- 2 replayed (appended before under the same key), 3 key reused for another command. A refused command never hurts
-- its neighbours. Several commands may follow each other on one stream: each is judged after those before it.
-- Call it in autocommit: the head's lock then lasts as long as this call and its commit.
CREATE FUNCTION append_events(
    p_territory   text,
    p_now         timestamptz,  -- Null: the database's clock.
    -- One element per command.
    c_stream      uuid[],
    c_first       integer[],    -- Index of the batch's first command on the same stream.
    c_expected    integer[],
    c_events      integer[],
    c_subject     uuid[],
    c_correlation uuid[],
    c_causation   uuid[],
    c_client      text[],       -- This one and the next four are null when no command has a key.
    c_key         text[],
    c_fingerprint bytea[],
    c_outcome     bytea[],
    c_keep        boolean[],
    -- One element per event, command after command.
    e_command     integer[],    -- Index of its command.
    e_version     integer[],
    e_topic       text[],
    e_agency      text[],
    e_actor       text[],
    e_header      bytea[],      -- Canonical bytes up to the recorded time, which is added here.
    e_payload     bytea[],
    e_sha256      bytea[],
    OUT verdicts  integer[],
    OUT firsts    bigint[],
    OUT lasts     bigint[],
    OUT versions  integer[],
    OUT outcomes  bytea[],
    OUT times     timestamptz[]
) LANGUAGE plpgsql
-- One plan for all batches: planning a small one costs more than running it. It is made while the tables are still
-- empty and must be the right one when they are large. Without sorts, only one index gives a stream's last version.
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off
SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
DECLARE
    commands  constant integer := cardinality(c_stream);
    wanted    constant integer := coalesce(cardinality(e_command), 0);
    head      log_head;
    old_head  bigint;
    tail      bytea;
    running   integer[];
    known     record;
    command   integer;
    slot      integer;
BEGIN
    -- Locks the head and advances it as if every command were accepted: nearly always that one statement is enough.
    LOOP
        UPDATE log_head SET position = position + wanted,
            recorded_at = greatest(coalesce(p_now, clock_timestamp()), recorded_at)
        WHERE territory = p_territory RETURNING * INTO head;
        EXIT WHEN FOUND;
        INSERT INTO log_head (territory) VALUES (p_territory) ON CONFLICT DO NOTHING;
    END LOOP;
    old_head := head.position - wanted;
    head.position := old_head;
    verdicts := array_fill(0, ARRAY[commands]);
    firsts := array_fill(0::bigint, ARRAY[commands]);
    lasts := firsts;
    outcomes := array_fill(NULL::bytea, ARRAY[commands]);
    times := array_fill(head.recorded_at, ARRAY[commands]);

    SELECT array_agg(coalesce(last.stream_version, 0) ORDER BY c.ord) INTO running
    FROM unnest(c_stream) WITH ORDINALITY AS c (stream, ord)
    LEFT JOIN LATERAL (
        SELECT e.stream_version FROM events e WHERE e.territory = p_territory AND e.stream_id = c.stream
        ORDER BY e.stream_version DESC LIMIT 1
    ) AS last ON true;
    versions := running;

    IF c_key IS NOT NULL THEN
        FOR known IN
            SELECT c.ord, i.* FROM unnest(c_client, c_key) WITH ORDINALITY AS c (client, key, ord)
            CROSS JOIN LATERAL (
                -- LIMIT: one look-up by the whole key for each command, whatever the planner believes of the table.
                SELECT * FROM idempotency WHERE territory = p_territory AND client = c.client AND key = c.key LIMIT 1
            ) AS i
            WHERE c.key IS NOT NULL
        LOOP
            IF known.fingerprint <> c_fingerprint[known.ord] THEN
                verdicts[known.ord] := 3;
            ELSE
                verdicts[known.ord] := 2;
                firsts[known.ord] := known.first_position;
                lasts[known.ord] := known.last_position;
                versions[known.ord] := known.version;
                outcomes[known.ord] := known.outcome;
                times[known.ord] := known.recorded_at;
            END IF;
        END LOOP;
    END IF;

    FOR command IN 1 .. commands LOOP
        CONTINUE WHEN verdicts[command] <> 0;
        slot := c_first[command];
        IF running[slot] = c_expected[command] THEN
            running[slot] := running[slot] + c_events[command];
            IF c_events[command] > 0 THEN
                firsts[command] := head.position + 1;
                head.position := head.position + c_events[command];
                lasts[command] := head.position;
            END IF;
        ELSE
            verdicts[command] := 1;
        END IF;
        versions[command] := running[slot];
    END LOOP;

    IF head.position < old_head + wanted THEN
        UPDATE log_head SET position = head.position WHERE territory = p_territory;
    END IF;
    IF head.position > old_head THEN
        tail := int8send((extract(epoch FROM head.recorded_at) * 1000000)::bigint);
        INSERT INTO events (recorded_at, position, stream_id, subject, correlation_id, causation_id, stream_version,
            territory, topic, agency, actor, header, payload, payload_sha256, leaf)
        SELECT head.recorded_at, old_head + row_number() OVER (ORDER BY e.ord), c_stream[e.command],
            c_subject[e.command], c_correlation[e.command], c_causation[e.command], e.version, p_territory, e.topic,
            e.agency, e.actor, e.header || tail, e.payload, e.sha256,
            sha256('\x00'::bytea || e.header || tail || e.sha256)
        FROM unnest(e_command, e_version, e_topic, e_agency, e_actor, e_header, e_payload, e_sha256)
            WITH ORDINALITY AS e (command, version, topic, agency, actor, header, payload, sha256, ord)
        WHERE verdicts[e.command] = 0;
        PERFORM pg_notify('unisson_log', p_territory || ' ' || head.position);
    END IF;

    IF c_key IS NOT NULL THEN
        INSERT INTO idempotency (recorded_at, expires_at, first_position, last_position, version, territory, client,
            key, fingerprint, outcome)
        SELECT head.recorded_at, CASE WHEN c.keep THEN NULL ELSE clock_timestamp() + interval '48 hours' END,
            firsts[c.ord], lasts[c.ord], versions[c.ord], p_territory, c.client, c.key, c.fingerprint, c.outcome
        FROM unnest(c_client, c_key, c_fingerprint, c_outcome, c_keep)
            WITH ORDINALITY AS c (client, key, fingerprint, outcome, keep, ord)
        WHERE c.key IS NOT NULL AND verdicts[c.ord] = 0;
    END IF;
END $$;

-- The log in the shape of the stock library's `stored_events`, for one territory: the one named by the session's
-- setting `unisson.territory`; no setting, no row. `state` is the header (after its length) and the sealed payload.
CREATE VIEW stock_events AS
SELECT stream_id AS originator_id, stream_version AS originator_version, topic,
    int4send(length(header)) || header || coalesce(payload, ''::bytea) AS state, position AS notification_id
FROM events
WHERE territory = (SELECT current_setting('unisson.territory', true));
