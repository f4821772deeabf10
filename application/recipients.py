"""Which agencies a pathway is, or was, known to."""

from collections.abc import Sequence

from application.event_log import Stored
from domain.pathway import SYSTEM, Pathway


def took_part(pathway: Pathway | None, history: Sequence[Stored]) -> frozenset[str]:
    """Those that recorded in it, were admitted, or were shared with. Without the pathway, those that recorded."""
    agencies = {stored.event.agency for stored in history}
    if pathway is not None:
        agencies |= {entry.admits for entry in pathway.ledger.entries.values() if entry.admits is not None}
        agencies |= {share.to_agency for share in pathway.shares.values()}
    return frozenset(agencies - {SYSTEM})


def recipients_of(pathway: Pathway | None, history: Sequence[Stored]) -> tuple[str, ...]:
    """Those, and whoever broke the glass: all that ever knew of it, in order."""
    broken = () if pathway is None else pathway.break_glass.values()
    return tuple(sorted(took_part(pathway, history) | ({each.agency for each in broken} - {SYSTEM})))
