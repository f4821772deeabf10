-- An endpoint proves that it wants to be told before it is; each attempt is remembered; what was missed is sent again by jobs.

ALTER TABLE webhook_endpoints
    DROP CONSTRAINT webhook_endpoints_status_check,
    ADD CONSTRAINT webhook_endpoints_status_check CHECK (status IN ('unverified', 'active', 'disabled')),
    ADD COLUMN challenge text,                 -- What it has to give back; null when nothing is asked of it.
    ADD COLUMN challenge_until timestamptz,
    ADD COLUMN verified_at timestamptz,
    ADD COLUMN disabled_at timestamptz;
UPDATE webhook_endpoints SET verified_at = created_at;  -- Those told until now go on being told.
ALTER TABLE webhook_endpoints
    ALTER COLUMN status SET DEFAULT 'unverified',
    ADD CHECK (status <> 'active' OR verified_at IS NOT NULL),
    ADD CHECK ((challenge IS NULL) = (challenge_until IS NULL));

-- One object per attempt: at, milliseconds, status, error. In the row that the attempt settles, so that it costs no other.
ALTER TABLE deliveries ADD COLUMN attempts jsonb NOT NULL DEFAULT '[]';

CREATE FUNCTION one_more_attempt(attempts jsonb, at timestamptz, milliseconds integer, status integer, error_code text)
RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN jsonb_array_length(attempts) < 30 THEN attempts ELSE attempts - 0 END  -- The latest thirty.
        || jsonb_build_object('at', at, 'milliseconds', milliseconds, 'status', status, 'error_code', error_code)
$$;

CREATE OR REPLACE FUNCTION fan_out_outbox() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO deliveries (territory, message_id, endpoint_id, subject_id, pathway)
    SELECT m.territory, m.message_id, e.endpoint_id, m.subject_id, m.pathway
    FROM fresh AS m
    JOIN webhook_endpoints AS e ON e.territory = m.territory AND e.agency = m.agency
     AND (e.status = 'active'
          OR e.status = 'unverified' AND m.endpoint_id = e.endpoint_id AND m.type = 'unisson.webhook.challenge.v1')
    WHERE CASE WHEN m.endpoint_id IS NULL
               THEN e.event_types = '{}' OR m.type = ANY (e.event_types)
               ELSE m.endpoint_id = e.endpoint_id END
    ORDER BY m.position, m.message_id;
    RETURN NULL;
END
$$;

DROP FUNCTION claim_deliveries;

-- Takes up to `most` due deliveries, in fairness between endpoints. The lock on the endpoint makes its limits hold
-- across processes: `per_endpoint` at once while it answers well, one at a time while it does not, none while its
-- circuit is open. A delivery waits for the earlier ones about the same subject or pathway. An endpoint that has not
-- proved anything is sent what is about itself only: its challenge.
CREATE FUNCTION claim_deliveries(at timestamptz, most integer, lease interval, per_endpoint integer)
RETURNS TABLE (territory text, message_id uuid, endpoint_id uuid, sequence bigint, fence integer, attempt integer,
               agency text, type text, subject_id uuid, pathway uuid, "position" bigint, created_at timestamptz,
               severity text, urgent boolean, audience text, level text, challenge text,
               url text, secret bytea, previous_secret bytea)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    e     webhook_endpoints;
    busy  integer;
    room  integer;
    taken integer;
BEGIN
    -- A claim lost with a crash of the database is made again: a duplicate at worst, and the log never waits for it.
    PERFORM set_config('synchronous_commit', 'off', true);
    FOR e IN
        SELECT w.* FROM webhook_endpoints AS w
        WHERE w.status <> 'disabled' AND (w.circuit_open_until IS NULL OR w.circuit_open_until <= at)
          AND EXISTS (SELECT FROM deliveries AS d
                      WHERE d.territory = w.territory AND d.endpoint_id = w.endpoint_id
                        AND d.state IN ('pending', 'delivering') AND d.due_at <= at
                        AND (d.lease_until IS NULL OR d.lease_until <= at))
        ORDER BY w.consecutive_failures > 0, w.last_claim_at
        LIMIT most
        FOR NO KEY UPDATE SKIP LOCKED  -- Compatible with the fan-out, which refers to the row.
    LOOP
        -- Statements of their own, so that they see what others committed before the lock was had.
        SELECT count(*) INTO busy FROM deliveries AS d
        WHERE d.territory = e.territory AND d.endpoint_id = e.endpoint_id AND d.state = 'delivering' AND d.lease_until > at;
        room := least(most, CASE WHEN e.consecutive_failures = 0 THEN per_endpoint ELSE 1 END - busy);
        CONTINUE WHEN room <= 0;
        RETURN QUERY
            WITH chosen AS (
                SELECT c.message_id FROM deliveries AS c
                WHERE c.territory = e.territory AND c.endpoint_id = e.endpoint_id
                  AND c.state IN ('pending', 'delivering') AND c.due_at <= at
                  AND (c.lease_until IS NULL OR c.lease_until <= at)
                  AND (e.status = 'active' OR c.subject_id = e.endpoint_id)
                  -- Written so that it is looked up per candidate, in order, and no further than the limit.
                  AND c.sequence = (
                      SELECT min(s.sequence) FROM deliveries AS s
                      WHERE s.territory = e.territory AND s.endpoint_id = e.endpoint_id
                        AND s.state IN ('pending', 'delivering') AND s.subject_id = c.subject_id)
                  AND (c.pathway IS NULL OR c.sequence = (
                      SELECT min(p.sequence) FROM deliveries AS p
                      WHERE p.territory = e.territory AND p.endpoint_id = e.endpoint_id
                        AND p.state IN ('pending', 'delivering') AND p.pathway = c.pathway))
                ORDER BY c.sequence
                LIMIT room
            ), claimed AS (
                UPDATE deliveries AS d
                SET state = 'delivering', fence = d.fence + 1, attempt = d.attempt + 1, lease_until = at + lease
                FROM chosen
                WHERE d.territory = e.territory AND d.message_id = chosen.message_id AND d.endpoint_id = e.endpoint_id
                RETURNING d.*
            )
            SELECT d.territory, d.message_id, d.endpoint_id, d.sequence, d.fence, d.attempt, o.agency, o.type,
                   o.subject_id, o.pathway, o.position, o.created_at, o.severity, o.urgent, o.audience, o.level,
                   CASE WHEN o.type = 'unisson.webhook.challenge.v1' THEN e.challenge END, e.url, e.secret,
                   CASE WHEN e.previous_until > at THEN e.previous_secret END
            FROM claimed AS d JOIN outbox AS o ON o.territory = d.territory AND o.message_id = d.message_id
            ORDER BY d.sequence;
        GET DIAGNOSTICS taken = ROW_COUNT;
        UPDATE webhook_endpoints AS w SET last_claim_at = at
        WHERE w.territory = e.territory AND w.endpoint_id = e.endpoint_id AND taken > 0;
        most := most - taken;
        EXIT WHEN most <= 0;
    END LOOP;
END
$$;
DROP FUNCTION settle_delivered(text, uuid, uuid, integer, integer, timestamptz);

-- A delivery succeeded. False when somebody else holds it by now. Lost with a crash, it is delivered again. `echoed`:
-- the challenge that the endpoint gave back, which verifies it while that is what is asked of it.
CREATE FUNCTION settle_delivered(
    in_territory text, in_message uuid, in_endpoint uuid, in_fence integer, status integer, at timestamptz,
    milliseconds integer, error_code text, echoed text
) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    IF echoed IS NOT NULL OR error_code IS NOT NULL THEN
        -- Of a challenge. Its endpoint first, as whoever verifies it at this moment does: else each waits for the other.
        PERFORM FROM webhook_endpoints AS w
        WHERE w.territory = in_territory AND w.endpoint_id = in_endpoint FOR NO KEY UPDATE;
    END IF;
    UPDATE deliveries
    SET state = 'delivered', lease_until = NULL, last_status = status, last_error_code = error_code, settled_at = at,
        attempts = one_more_attempt(attempts, at, milliseconds, status, error_code)
    WHERE territory = in_territory AND message_id = in_message AND endpoint_id = in_endpoint
      AND fence = in_fence AND state = 'delivering';
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    -- At most once a minute while all goes well: the row is hot.
    UPDATE webhook_endpoints
    SET consecutive_failures = 0, failing_since = NULL, circuit_open_until = NULL, last_success_at = at
    WHERE territory = in_territory AND endpoint_id = in_endpoint
      AND (consecutive_failures > 0 OR coalesce(last_success_at, '-infinity') < at - interval '1 minute');
    IF echoed IS NOT NULL THEN
        UPDATE webhook_endpoints AS e
        SET status = 'active', verified_at = at, challenge = NULL, challenge_until = NULL
        WHERE e.territory = in_territory AND e.endpoint_id = in_endpoint AND e.status = 'unverified'
          AND e.challenge = echoed;
    END IF;
    RETURN true;
END
$$;

-- Jobs that send again what an endpoint missed. Each step moves the cursor and queues deliveries in one transaction.
CREATE TABLE webhook_recoveries (
    territory       text COLLATE "C" NOT NULL,
    recovery_id     uuid NOT NULL,
    endpoint_id     uuid NOT NULL,
    since           timestamptz,              -- Exactly one of the two.
    after_position  bigint,
    again           boolean NOT NULL,         -- Also what was delivered.
    stored_until    timestamptz NOT NULL DEFAULT now(),  -- What is stored later is told as it comes.
    state           text NOT NULL DEFAULT 'queued'
                    CHECK (state IN ('queued', 'running', 'done', 'cancelled', 'stopped')),
    total           bigint,
    looked_at       bigint NOT NULL DEFAULT 0,
    queued          bigint NOT NULL DEFAULT 0,
    cursor_position bigint NOT NULL DEFAULT -1,
    cursor_message  uuid NOT NULL DEFAULT 'ffffffff-ffff-ffff-ffff-ffffffffffff',
    asked_at        timestamptz NOT NULL,
    ended_at        timestamptz,
    lease_until     timestamptz,
    fence           integer NOT NULL DEFAULT 0,
    PRIMARY KEY (territory, recovery_id),
    FOREIGN KEY (territory, endpoint_id) REFERENCES webhook_endpoints ON DELETE CASCADE,
    CHECK ((since IS NULL) <> (after_position IS NULL))
);
CREATE UNIQUE INDEX webhook_recoveries_unfinished ON webhook_recoveries (territory, endpoint_id)
    WHERE state IN ('queued', 'running');
CREATE INDEX webhook_recoveries_by_endpoint ON webhook_recoveries (territory, endpoint_id, recovery_id);
CREATE INDEX outbox_by_agency_position ON outbox (territory, agency, position, message_id);
