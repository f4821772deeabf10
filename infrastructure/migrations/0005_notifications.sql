-- Telling the agencies: where they want to be told, what must be told, and each telling until it succeeded or was given up.

CREATE TABLE webhook_endpoints (
    territory            text COLLATE "C" NOT NULL,
    endpoint_id          uuid NOT NULL,
    agency               text COLLATE "C" NOT NULL,
    url                  text NOT NULL,
    event_types          text[] NOT NULL DEFAULT '{}',  -- Empty: all.
    secret               bytea NOT NULL,                -- Sealed by the key-encryption key, as is the previous one.
    previous_secret      bytea,
    previous_until       timestamptz,                   -- Until then both sign, so that a partner may change at leisure.
    status               text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'disabled')),
    disabled_reason      text CHECK (disabled_reason IN ('asked', 'gone', 'failing')),
    consecutive_failures integer NOT NULL DEFAULT 0,
    failing_since        timestamptz,
    circuit_open_until   timestamptz,                   -- Not null: nothing is sent before, then one trial at a time.
    last_claim_at        timestamptz NOT NULL DEFAULT '-infinity',
    last_success_at      timestamptz,
    created_at           timestamptz NOT NULL,
    PRIMARY KEY (territory, endpoint_id),
    CHECK ((status = 'disabled') = (disabled_reason IS NOT NULL))
);
CREATE INDEX webhook_endpoints_by_agency ON webhook_endpoints (territory, agency);

-- Who must hear of what. Ids, types and codes only. Written in the transaction that decided it.
CREATE TABLE outbox (
    territory   text COLLATE "C" NOT NULL,
    message_id  uuid NOT NULL,
    agency      text COLLATE "C" NOT NULL,
    type        text COLLATE "C" NOT NULL,
    subject_id  uuid NOT NULL,
    pathway     uuid,              -- Only when the agency may see what the subject is about.
    position    bigint NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    endpoint_id uuid,              -- Only when one endpoint alone is meant: a test message.
    stored_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (territory, message_id)
);
CREATE INDEX outbox_by_agency ON outbox (territory, agency, created_at);
CREATE INDEX outbox_by_age ON outbox (stored_at);

CREATE TABLE deliveries (
    territory       text COLLATE "C" NOT NULL,
    message_id      uuid NOT NULL,
    endpoint_id     uuid NOT NULL,
    sequence        bigint GENERATED ALWAYS AS IDENTITY,
    subject_id      uuid NOT NULL,
    pathway         uuid,
    state           text NOT NULL DEFAULT 'pending'
                    CHECK (state IN ('pending', 'delivering', 'delivered', 'withheld', 'dead')),
    attempt         integer NOT NULL DEFAULT 0,
    fence           integer NOT NULL DEFAULT 0,  -- Grows with each claim: only the last one may settle it.
    due_at          timestamptz NOT NULL DEFAULT '-infinity',
    lease_until     timestamptz,
    last_status     integer,
    last_error_code text,
    settled_at      timestamptz,
    PRIMARY KEY (territory, message_id, endpoint_id),
    FOREIGN KEY (territory, message_id) REFERENCES outbox ON DELETE CASCADE,
    FOREIGN KEY (territory, endpoint_id) REFERENCES webhook_endpoints ON DELETE CASCADE
);
CREATE INDEX deliveries_to_do ON deliveries (territory, endpoint_id, sequence) WHERE state IN ('pending', 'delivering');
CREATE INDEX deliveries_to_do_by_subject ON deliveries (territory, endpoint_id, subject_id, sequence)
    WHERE state IN ('pending', 'delivering');
CREATE INDEX deliveries_to_do_by_pathway ON deliveries (territory, endpoint_id, pathway, sequence)
    WHERE state IN ('pending', 'delivering') AND pathway IS NOT NULL;
CREATE INDEX deliveries_by_endpoint ON deliveries (territory, endpoint_id, sequence);

-- In the transaction of the outbox row itself: a message is never without its deliveries, nor the reverse. An endpoint
-- registered later hears of what comes later.
CREATE FUNCTION fan_out_outbox() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO deliveries (territory, message_id, endpoint_id, subject_id, pathway)
    SELECT m.territory, m.message_id, e.endpoint_id, m.subject_id, m.pathway
    FROM fresh AS m
    JOIN webhook_endpoints AS e ON e.territory = m.territory AND e.agency = m.agency AND e.status = 'active'
    WHERE CASE WHEN m.endpoint_id IS NULL
               THEN e.event_types = '{}' OR m.type = ANY (e.event_types)
               ELSE m.endpoint_id = e.endpoint_id END
    ORDER BY m.position, m.message_id;
    RETURN NULL;
END
$$;
CREATE TRIGGER fan_out AFTER INSERT ON outbox REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION fan_out_outbox();

-- Takes up to `most` due deliveries, in fairness between endpoints. The lock on the endpoint makes its limits hold
-- across processes: `per_endpoint` at once while it answers well, one at a time while it does not, none while its
-- circuit is open. A delivery waits for the earlier ones about the same subject or pathway.
CREATE FUNCTION claim_deliveries(at timestamptz, most integer, lease interval, per_endpoint integer)
RETURNS TABLE (territory text, message_id uuid, endpoint_id uuid, sequence bigint, fence integer, attempt integer,
               agency text, type text, subject_id uuid, pathway uuid, "position" bigint, created_at timestamptz,
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
        WHERE w.status = 'active' AND (w.circuit_open_until IS NULL OR w.circuit_open_until <= at)
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
                   o.subject_id, o.pathway, o.position, o.created_at, e.url, e.secret,
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

-- A delivery succeeded. False when somebody else holds it by now. Lost with a crash, it is delivered again.
CREATE FUNCTION settle_delivered(
    in_territory text, in_message uuid, in_endpoint uuid, in_fence integer, status integer, at timestamptz
) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    UPDATE deliveries
    SET state = 'delivered', lease_until = NULL, last_status = status, last_error_code = NULL, settled_at = at
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
    RETURN true;
END
$$;
