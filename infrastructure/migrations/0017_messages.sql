-- What a channel needs to know to tell the urgent from the rest, and whom of an agency is meant. Codes only.
ALTER TABLE outbox
    ADD COLUMN severity text COLLATE "C",                -- Of the alert, when there is one.
    ADD COLUMN urgent   boolean NOT NULL DEFAULT false,  -- Critical: it waits for no digest.
    ADD COLUMN audience text COLLATE "C" NOT NULL DEFAULT 'team' CHECK (audience IN ('team', 'lead', 'coordinator')),
    ADD COLUMN level    text COLLATE "C";                -- To which level the alert was escalated.

-- With these columns; the rest as before.
DROP FUNCTION claim_deliveries;
-- Takes up to `most` due deliveries, in fairness between endpoints. The lock on the endpoint makes its limits hold
-- across processes: `per_endpoint` at once while it answers well, one at a time while it does not, none while its
-- circuit is open. A delivery waits for the earlier ones about the same subject or pathway.
CREATE FUNCTION claim_deliveries(at timestamptz, most integer, lease interval, per_endpoint integer)
RETURNS TABLE (territory text, message_id uuid, endpoint_id uuid, sequence bigint, fence integer, attempt integer,
               agency text, type text, subject_id uuid, pathway uuid, "position" bigint, created_at timestamptz,
               severity text, urgent boolean, audience text, level text,
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
                   o.subject_id, o.pathway, o.position, o.created_at, o.severity, o.urgent, o.audience, o.level,
                   e.url, e.secret,
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
CREATE INDEX outbox_by_position ON outbox (territory, position);  -- For who reads them in the order of the log.
