-- Looking at a person's content: the event that says so and the sealed rows come in one statement, or neither does.

-- Whom each user and each agency looked at today, under the pseudonyms of the access log. Kept for the day.
CREATE TABLE persons_seen (
    day       date NOT NULL,
    territory text COLLATE "C" NOT NULL,
    who       text COLLATE "C" NOT NULL,  -- An agency, or one user of it.
    person    text COLLATE "C" NOT NULL,
    PRIMARY KEY (territory, day, who, person)
);

-- The data-protection officer reads accesses in order, among many other events.
CREATE INDEX events_accesses ON events (territory, position)
    WHERE topic IN ('access.opened', 'access.refused', 'access.budget-spent');

-- Counts one more person of the day for each of these. Returns 0; or, when it would be one too many, counts for none and
-- returns which of them, from 1, has spent the day's budget.
CREATE FUNCTION see_person(p_territory text, p_day date, p_person text, p_who text[], p_most integer[])
RETURNS integer LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
DECLARE
    new_to text[] := '{}';
BEGIN
    FOR i IN 1 .. cardinality(p_who) LOOP
        CONTINUE WHEN EXISTS (
            SELECT FROM persons_seen
            WHERE territory = p_territory AND day = p_day AND who = p_who[i] AND person = p_person
        );
        IF (SELECT count(*) FROM persons_seen WHERE territory = p_territory AND day = p_day AND who = p_who[i])
            >= p_most[i]
        THEN
            RETURN i;
        END IF;
        new_to := new_to || p_who[i];
    END LOOP;
    INSERT INTO persons_seen (day, territory, who, person)
    SELECT p_day, p_territory, who, p_person FROM unnest(new_to) AS n (who);
    RETURN 0;
END $$;

-- The same for somebody who reads of a person without opening anything. One at a time, and with the looks below: two at
-- once would each find room for one more person.
CREATE FUNCTION count_person(p_territory text, p_day date, p_person text, p_who text[], p_most integer[])
RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('persons_seen ' || p_territory, 0));
    RETURN see_person(p_territory, p_day, p_person, p_who, p_most);
END $$;

-- append_events() with one event a command, each of which pays for a look at the events of another stream. Beyond its
-- verdicts: 4 and 5, the budget of the day is spent, the user's or the agency's. The rows of a command are returned only when its event was appended.
CREATE FUNCTION log_and_look(
    p_territory   text,
    p_now         timestamptz,
    c_stream      uuid[],
    c_first       integer[],
    c_expected    integer[],
    c_events      integer[],
    c_subject     uuid[],
    c_correlation uuid[],
    c_causation   uuid[],
    c_client      text[],
    c_key         text[],
    c_fingerprint bytea[],
    c_outcome     bytea[],
    c_keep        boolean[],
    e_command     integer[],
    e_version     integer[],
    e_topic       text[],
    e_agency      text[],
    e_actor       text[],
    e_header      bytea[],
    e_payload     bytea[],
    e_sha256      bytea[],
    -- One element per command.
    l_stream      uuid[],     -- What to look at.
    l_topics      text[],     -- Of these events only, separated by commas.
    l_person      text[],
    l_user        text[],
    l_agency      text[],
    l_day         date[],
    p_user_most   integer,
    p_agency_most integer,
    OUT verdicts  integer[],
    OUT firsts    bigint[],
    OUT lasts     bigint[],
    OUT versions  integer[],
    OUT outcomes  bytea[],
    OUT times     timestamptz[],
    -- One element per row found, in order.
    OUT r_command     integer[],
    OUT r_position    bigint[],
    OUT r_version     integer[],
    OUT r_topic       text[],
    OUT r_recorded_at timestamptz[],
    OUT r_agency      text[],
    OUT r_actor       text[],
    OUT r_subject     uuid[],
    OUT r_payload     bytea[]
) LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
DECLARE
    expected integer[] := c_expected;
    spent    integer[];
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('persons_seen ' || p_territory, 0));  -- Writers do not wait for it.
    FOR i IN 1 .. cardinality(c_stream) LOOP
        spent[i] := see_person(p_territory, l_day[i], l_person[i], ARRAY[l_user[i], l_agency[i]],
            ARRAY[p_user_most, p_agency_most]);
        IF spent[i] > 0 THEN
            expected[i] := -1;  -- No stream is ever there: nothing is appended.
        END IF;
    END LOOP;

    SELECT a.verdicts, a.firsts, a.lasts, a.versions, a.outcomes, a.times
    INTO verdicts, firsts, lasts, versions, outcomes, times
    FROM append_events(p_territory, p_now, c_stream, c_first, expected, c_events, c_subject, c_correlation,
        c_causation, c_client, c_key, c_fingerprint, c_outcome, c_keep, e_command, e_version, e_topic, e_agency,
        e_actor, e_header, e_payload, e_sha256) AS a;

    SELECT array_agg(l.ord), array_agg(e.position), array_agg(e.stream_version), array_agg(e.topic),
        array_agg(e.recorded_at), array_agg(e.agency), array_agg(e.actor), array_agg(e.subject), array_agg(e.payload)
    INTO r_command, r_position, r_version, r_topic, r_recorded_at, r_agency, r_actor, r_subject, r_payload
    FROM unnest(l_stream, l_topics) WITH ORDINALITY AS l (stream, topics, ord)
    CROSS JOIN LATERAL (
        SELECT * FROM events e
        WHERE e.territory = p_territory AND e.stream_id = l.stream AND e.topic = ANY(string_to_array(l.topics, ','))
        ORDER BY e.stream_version
    ) AS e
    WHERE verdicts[l.ord] = 0;

    FOR i IN 1 .. cardinality(spent) LOOP
        IF spent[i] > 0 THEN
            verdicts[i] := 3 + spent[i];
        END IF;
    END LOOP;
END $$;
