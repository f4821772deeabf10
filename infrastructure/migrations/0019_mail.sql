-- Telling by mail: the mailboxes of an agency, what each is still to be told, and each mail until it left or was given up.

CREATE TABLE mailboxes (
    territory       text COLLATE "C" NOT NULL,
    mailbox_id      uuid NOT NULL,
    agency          text COLLATE "C" NOT NULL,
    sealed          bytea,                         -- Address and secret, by the servers' key; null once forgotten.
    audience        text NOT NULL CHECK (audience IN ('team', 'lead', 'coordinator')),
    language        text NOT NULL CHECK (language IN ('fr', 'en')),
    immediate       text NOT NULL CHECK (immediate IN ('critical', 'none')),
    daily_max       integer NOT NULL,              -- New alerts, not critical, that one digest tells of.
    digest_hour     integer NOT NULL CHECK (digest_hour BETWEEN 0 AND 23),
    quiet_from      integer NOT NULL CHECK (quiet_from BETWEEN 0 AND 23),
    quiet_until     integer NOT NULL CHECK (quiet_until BETWEEN 0 AND 23),
    days            integer[] NOT NULL,            -- 1 is Monday.
    status          text NOT NULL DEFAULT 'unconfirmed'
                    CHECK (status IN ('unconfirmed', 'active', 'disabled', 'forgotten')),
    disabled_reason text CHECK (disabled_reason IN ('asked', 'unsubscribed', 'bounced')),
    code_number     integer NOT NULL DEFAULT 0,    -- The last code is derived from it and the secret: none comes twice.
    codes_sent      integer NOT NULL DEFAULT 0,    -- Since one was right.
    code_until      timestamptz,                   -- Null: none is in force.
    code_tries      integer NOT NULL DEFAULT 0,
    confirmed_at    timestamptz,
    next_digest_at  timestamptz,
    urgent_after    timestamptz NOT NULL DEFAULT '-infinity',  -- What is urgent is gathered until then.
    created_at      timestamptz NOT NULL,
    PRIMARY KEY (territory, mailbox_id),
    CHECK ((status = 'disabled') = (disabled_reason IS NOT NULL)),
    CHECK ((status = 'forgotten') = (sealed IS NULL))
);
CREATE INDEX mailboxes_by_agency ON mailboxes (territory, agency);
CREATE UNIQUE INDEX mailboxes_by_id ON mailboxes (mailbox_id);  -- A link to unsubscribe names nothing else.
CREATE INDEX mailboxes_due ON mailboxes (next_digest_at) WHERE status = 'active';

CREATE TABLE mails (
    territory       text COLLATE "C" NOT NULL,
    mail_id         uuid NOT NULL,                 -- Also its Message-ID: the same mail twice is recognised.
    mailbox_id      uuid NOT NULL,
    kind            text NOT NULL CHECK (kind IN ('code', 'urgent', 'digest')),
    held_back       integer NOT NULL DEFAULT 0,    -- New alerts that the digest leaves to the next one.
    state           text NOT NULL DEFAULT 'pending'
                    CHECK (state IN ('pending', 'sending', 'sent', 'withheld', 'dead')),
    attempt         integer NOT NULL DEFAULT 0,
    fence           integer NOT NULL DEFAULT 0,    -- Grows with each claim: only the last one may settle it.
    due_at          timestamptz NOT NULL,
    lease_until     timestamptz,
    last_error_code text,
    created_at      timestamptz NOT NULL,
    settled_at      timestamptz,
    PRIMARY KEY (territory, mail_id),
    FOREIGN KEY (territory, mailbox_id) REFERENCES mailboxes ON DELETE CASCADE
);
CREATE INDEX mails_by_mailbox ON mails (territory, mailbox_id, created_at);
CREATE INDEX mails_to_do ON mails (due_at) WHERE state IN ('pending', 'sending');
CREATE INDEX mails_by_age ON mails (settled_at) WHERE settled_at IS NOT NULL;

CREATE TABLE mail_items (
    territory  text COLLATE "C" NOT NULL,
    message_id uuid NOT NULL,
    mailbox_id uuid NOT NULL,
    at_once    boolean NOT NULL,                   -- Not to wait for the digest.
    mail_id    uuid,                               -- The mail that tells of it; null: it waits for one.
    state      text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'taken', 'told', 'withheld', 'passed')),
    told_at    timestamptz,
    PRIMARY KEY (territory, message_id, mailbox_id),
    FOREIGN KEY (territory, message_id) REFERENCES outbox ON DELETE CASCADE,
    FOREIGN KEY (territory, mailbox_id) REFERENCES mailboxes ON DELETE CASCADE,
    FOREIGN KEY (territory, mail_id) REFERENCES mails,
    CHECK ((state IN ('waiting', 'passed')) = (mail_id IS NULL))
);
CREATE INDEX mail_items_waiting ON mail_items (territory, mailbox_id) WHERE state = 'waiting';
CREATE INDEX mail_items_at_once ON mail_items (territory, mailbox_id) WHERE state = 'waiting' AND at_once;
CREATE INDEX mail_items_by_mail ON mail_items (territory, mail_id) WHERE mail_id IS NOT NULL;
CREATE INDEX mail_items_told ON mail_items (territory, told_at, message_id) WHERE told_at IS NOT NULL;

-- In the transaction of the outbox row itself, as deliveries are. Who has no mailbox for an audience is told in the one
-- nearest to it: nobody is left out because nobody was named.
CREATE FUNCTION fan_out_to_mailboxes() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    ranks CONSTANT text[] := ARRAY['team', 'lead', 'coordinator'];
BEGIN
    INSERT INTO mail_items (territory, message_id, mailbox_id, at_once)
    SELECT m.territory, m.message_id, b.mailbox_id,
           b.immediate = 'critical' AND (m.urgent OR m.type LIKE 'unisson.glass.broken.%')
    FROM fresh AS m
    JOIN mailboxes AS b ON b.territory = m.territory AND b.agency = m.agency AND b.status = 'active'
    WHERE m.endpoint_id IS NULL
      AND array_position(ranks, b.audience) = (
          SELECT coalesce(max(r.rank) FILTER (WHERE r.rank <= array_position(ranks, m.audience)), min(r.rank))
          FROM mailboxes AS o, LATERAL (SELECT array_position(ranks, o.audience) AS rank) AS r
          WHERE o.territory = m.territory AND o.agency = m.agency AND o.status = 'active')
    ORDER BY m.position, m.message_id, b.mailbox_id;
    RETURN NULL;
END
$$;
CREATE TRIGGER fan_out_mail AFTER INSERT ON outbox REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION fan_out_to_mailboxes();

-- Takes up to `most` mails that are due, digests after the rest.
CREATE FUNCTION claim_mails(at timestamptz, most integer, lease interval)
RETURNS TABLE (territory text, mail_id uuid, mailbox_id uuid, kind text, held_back integer, fence integer,
               attempt integer, created_at timestamptz)
LANGUAGE sql AS $$
    WITH chosen AS (
        SELECT m.territory, m.mail_id FROM mails AS m
        WHERE m.state IN ('pending', 'sending') AND m.due_at <= at AND (m.lease_until IS NULL OR m.lease_until <= at)
        ORDER BY m.kind = 'digest', m.due_at, m.mail_id
        LIMIT most
        FOR UPDATE SKIP LOCKED
    )
    UPDATE mails AS m
    SET state = 'sending', fence = m.fence + 1, attempt = m.attempt + 1, lease_until = at + lease
    FROM chosen AS c
    WHERE m.territory = c.territory AND m.mail_id = c.mail_id
    RETURNING m.territory, m.mail_id, m.mailbox_id, m.kind, m.held_back, m.fence, m.attempt, m.created_at
$$;
