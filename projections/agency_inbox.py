"""What each agency has to do: requests to answer or to start, appointments to conclude, alerts to look at.

An item is there as long as there is something to do. One that an agency may only be notified of leads to no pathway.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from domain.alert import Alert, Role, Sees
from domain.alert_escalation import level_of
from domain.escalation import is_told
from domain.ledger import Current, point_order
from domain.pathway import Pathway
from projections.projection import Build, Connection, Page
from projections.walls import OF_AGENCY

INBOX = """
CREATE TABLE {agency_inbox} (
    item      uuid NOT NULL,        -- The entry of the pathway, or the alert.
    pathway   uuid,                 -- Null: only notified.
    since     timestamptz NOT NULL, -- When it became something to do, as far as was known.
    due       timestamptz,          -- Before that there is nothing to do yet.
    territory text COLLATE "C" NOT NULL,
    agency    text COLLATE "C" NOT NULL,
    kind      text COLLATE "C" NOT NULL,
    code      text COLLATE "C" NOT NULL,  -- What it is about: a kind of intervention, a rule.
    severity  text COLLATE "C",           -- Of an alert.
    level     text COLLATE "C",           -- Up to where an alert went, as nobody answered it.
    PRIMARY KEY (territory, agency, item)
);
CREATE INDEX ON {agency_inbox} (territory, agency, since, item);
CREATE INDEX ON {agency_inbox} (territory, pathway);
CREATE INDEX ON {agency_inbox} (territory, item)"""

ITEMS_OF = """
SELECT agency, item, pathway, since, due, kind, code, severity, level FROM {agency_inbox}
WHERE territory = $1 AND pathway = ANY($2::uuid[]) AND kind <> 'alert'"""
DROP_ITEMS = """
DELETE FROM {agency_inbox} i USING unnest($2::text[], $3::uuid[]) AS done (agency, item)
WHERE i.territory = $1 AND i.agency = done.agency AND i.item = done.item"""
DROP_ALERTS = "DELETE FROM {agency_inbox} WHERE territory = $1 AND item = ANY($2::uuid[]) AND kind = 'alert'"
PUT_ITEMS = """
INSERT INTO {agency_inbox} (territory, agency, item, pathway, since, due, kind, code, severity, level)
SELECT $1, * FROM unnest($2::text[], $3::uuid[], $4::uuid[], $5::timestamptz[], $6::timestamptz[], $7::text[],
    $8::text[], $9::text[], $10::text[])
ON CONFLICT (territory, agency, item) DO UPDATE SET pathway = excluded.pathway, since = excluded.since,
    due = excluded.due, kind = excluded.kind, code = excluded.code, severity = excluded.severity,
    level = excluded.level"""
FORGET = "DELETE FROM {agency_inbox} WHERE territory = $1 AND (pathway = ANY($2::uuid[]) OR item = ANY($3::uuid[]))"
INBOX_PAGE = """
SELECT i.agency, item, i.pathway, since, due, kind, code, severity, level
FROM agency_inbox i CROSS JOIN LATERAL (SELECT EXISTS (
    SELECT FROM pathway_participants p
    WHERE p.territory = i.territory AND p.agency = i.agency AND p.pathway = i.pathway) AS takes_part) AS asked
WHERE territory = $1 AND i.agency = $2 AND (since, item) > ($3, $4) AND (due IS NULL OR due <= $5)
    AND (kind <> 'alert' OR i.pathway IS NULL OR takes_part)
    AND ($6::text IS NULL OR kind = $6)
    AND (kind <> 'alert' OR NOT EXISTS (
        SELECT FROM sleeping_alerts s WHERE s.territory = i.territory AND s.agency = i.agency AND s.alert = item))
ORDER BY since, item LIMIT $7"""

BEFORE_ANY = (datetime.min.replace(tzinfo=UTC), UUID(int=0))


class ItemKind(StrEnum):
    REFERRAL_TO_ANSWER = "referral_to_answer"
    REFERRAL_TO_START = "referral_to_start"
    TRANSFER_TO_ANSWER = "transfer_to_answer"
    HANDOVER_TO_ACKNOWLEDGE = "handover_to_acknowledge"
    APPOINTMENT_TO_CONCLUDE = "appointment_to_conclude"
    ALERT = "alert"


class InboxItem(NamedTuple):
    """One thing to do. In the order (since, item), which is also what pages go by."""

    agency: str
    item: UUID
    pathway: UUID | None
    since: datetime
    due: datetime | None
    kind: str
    code: str
    severity: str | None = None
    level: str | None = None


async def inbox(
    db: Connection,
    territory: str,
    agency: str,
    now: datetime,
    *,
    kind: ItemKind | None = None,
    after: tuple[datetime, UUID] = BEFORE_ANY,
    limit: int = 100,
) -> list[InboxItem]:
    """What an agency has to do at `now`, longest waiting first."""
    rows = await db.fetch(INBOX_PAGE, territory, agency, *after, now, kind, limit)
    return [InboxItem(*row.values()) for row in rows]


class AgencyInbox:
    name = "agency_inbox"
    version = 2
    tables: Mapping[str, str] = {"agency_inbox": INBOX}
    walls: Mapping[str, str] = {"agency_inbox": OF_AGENCY}

    async def fold(self, db: Connection, build: Build, page: Page) -> None:
        if page.pathways:
            await _fold_pathways(db, build, page)
        await _fold_alerts(db, build, page)


async def _fold_pathways(db: Connection, build: Build, page: Page) -> None:
    """The items of each pathway touched, worked out again as a whole: corrections and retractions need no care."""
    stored = {
        InboxItem(*row.values()) for row in await db.fetch(build.sql(ITEMS_OF), page.territory, list(page.pathways))
    }
    current = {item for pathway in page.pathways.values() for item in items_of(pathway)}
    kept = {(item.agency, item.item) for item in current}
    gone = [(item.agency, item.item) for item in stored if (item.agency, item.item) not in kept]
    fresh = current - stored
    if gone:
        await db.execute(build.sql(DROP_ITEMS), page.territory, *zip(*gone, strict=True))
    if fresh:
        await db.execute(build.sql(PUT_ITEMS), page.territory, *zip(*fresh, strict=True))


async def _fold_alerts(db: Connection, build: Build, page: Page) -> None:
    if page.alerts:
        await db.execute(build.sql(DROP_ALERTS), page.territory, list(page.alerts))
    items = [item for alert_id, alert in sorted(page.alerts.items()) for item in alert_items(alert_id, alert)]
    if items:
        await db.execute(build.sql(PUT_ITEMS), page.territory, *zip(*items, strict=True))
    if page.erased:
        await db.execute(build.sql(FORGET), page.territory, list(page.erased), list(page.forgotten_alerts))


def alert_items(alert_id: UUID, alert: Alert) -> Iterator[InboxItem]:
    """Of all whom it concerns while it is open: not of whoever snoozed it, of nobody while it is waived or untold."""
    if is_told(alert) and alert.waived_until is None:
        for item in items_of_all(alert_id, alert):
            if alert.response_of(item.agency).snoozed_until is None:
                yield item


def items_of_all(alert_id: UUID, alert: Alert) -> Iterator[InboxItem]:
    """Of all whom it concerns, whatever became of it."""
    assert alert.finding is not None
    assert alert.changed is not None
    called = {one.agency: step.on for step in reversed(alert.escalated) for one in step.recipients}
    level = level_of(alert)
    for one in alert.recipients:
        sees_content = one.sees is Sees.CONTENT
        yield InboxItem(
            one.agency,
            alert_id,
            alert.finding.pathway if sees_content else None,
            called[one.agency] if one.role is Role.COORDINATOR else alert.changed[0],
            None,
            ItemKind.ALERT.value,
            alert.finding.rule if sees_content else "",
            alert.severity,
            None if level is None else level.value,
        )


def items_of(pathway: Pathway) -> Iterator[InboxItem]:
    """What a pathway asks of agencies; a closed, restricted or erased one asks nothing."""
    if pathway.erased or pathway.is_closed or pathway.is_restricted:
        return
    for referral in pathway.ledger.of_type("referral"):
        kind = REFERRAL_KINDS.get(referral.attrs["status"])
        if kind is not None:
            yield _item(pathway, referral, kind, referral.attrs["to_agency"], referral.attrs["kind"])
    for transfer in pathway.ledger.of_type("transfer"):
        if transfer.attrs["status"] == "requested" and not transfer.attrs["territory_changed"]:
            yield _item(pathway, transfer, ItemKind.TRANSFER_TO_ANSWER, transfer.attrs["to_agency"], "transfer")
    for referent in pathway.ledger.of_type("referent"):
        if referent.end is None and referent.attrs.get("handed_over") is False:
            yield _item(pathway, referent, ItemKind.HANDOVER_TO_ACKNOWLEDGE, referent.attrs["to_agency"], "referent")
    for appointment in pathway.ledger.of_type("appointment"):
        if appointment.attrs["status"] == "booked" and appointment.end is not None:
            due = point_order(appointment.end)
            kind, code = ItemKind.APPOINTMENT_TO_CONCLUDE, appointment.attrs["channel"]
            yield _item(pathway, appointment, kind, appointment.entry.agency, code, due)


REFERRAL_KINDS: Mapping[str, ItemKind] = {
    "requested": ItemKind.REFERRAL_TO_ANSWER,
    "accepted": ItemKind.REFERRAL_TO_START,
}


def _item(
    pathway: Pathway, current: Current, kind: ItemKind, agency: str, code: str, due: datetime | None = None
) -> InboxItem:
    return InboxItem(agency, current.id, pathway.id, current.recorded_at, due, kind.value, code)
