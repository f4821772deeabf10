"""Pending requests made moot by a decision taken elsewhere are superseded in the same commit.

Otherwise a late answer would hit somebody who never asked. The cancellation stands as long as its cause: take
the decision back and the request is pending again.
"""

from typing import TYPE_CHECKING
from uuid import UUID

from domain.command import Act
from domain.ledger import Current, point_order
from domain.needs import ACTIVE
from domain.themes import HEALTH_FAMILY

if TYPE_CHECKING:
    from domain.pathway import Pathway


REQUESTED = "requested"


def supersede_moot_requests(pathway: "Pathway", act: Act) -> None:
    """Asked after every decision that may make a request moot, and after anything was taken back."""
    _supersede_referrals(pathway, act)
    _supersede_transfers(pathway, act)


def _supersede_referrals(pathway: "Pathway", act: Act) -> None:
    from domain.referral import ReferralMoved, ReferralStatus  # Late: the nouns import this module.

    for referral in [found for found in pathway.ledger.of_type("referral") if found.attrs["status"] == REQUESTED]:
        cause = pathway.closure or _need_gone(pathway, referral) or _other_agency(pathway, referral)
        if cause is not None:
            pathway.record(
                ReferralMoved,
                act,
                referral_id=referral.id,
                step_id=act.new_id(),
                status=ReferralStatus.CANCELLED,
                on=max(cause.start, referral.start, key=point_order),
                superseded_by=cause.id,
            )


def _supersede_transfers(pathway: "Pathway", act: Act) -> None:
    from domain.transfer import TransferMoved, TransferStatus  # Late: the nouns import this module.

    for transfer in [found for found in pathway.ledger.of_type("transfer") if found.attrs["status"] == REQUESTED]:
        cause = pathway.closure or _later_referent(pathway, transfer)
        if cause is not None:
            pathway.record(
                TransferMoved,
                act,
                transfer_id=transfer.id,
                step_id=act.new_id(),
                status=TransferStatus.CANCELLED,
                on=max(cause.start, transfer.start, key=point_order),
                superseded_by=cause.id,
            )


def _need_gone(pathway: "Pathway", referral: Current) -> Current | None:
    """What withdrew or replaced the need that the referral answers."""
    need = pathway.ledger.current(UUID(referral.attrs["need_id"])) if "need_id" in referral.attrs else None
    if need is None or need.attrs["status"] == ACTIVE:
        return None
    return pathway.ledger.current(pathway.ledger.live_steps(need.entry)[-1].id)


def _other_agency(pathway: "Pathway", referral: Current) -> Current | None:
    """A later orientation of the same theme to another agency."""
    if referral.attrs["theme"] == HEALTH_FAMILY:  # Facts know the family only: it may be another need.
        return None
    return next(
        (
            orientation
            for orientation in pathway.ledger.of_type("orientation")
            if orientation.entry.first_version > referral.entry.first_version
            and orientation.attrs.get("theme") == referral.attrs["theme"]
            and orientation.attrs["to_agency"] != referral.attrs["to_agency"]
        ),
        None,
    )


def _later_referent(pathway: "Pathway", transfer: Current) -> Current | None:
    return next(
        (
            referent
            for referent in pathway.ledger.of_type("referent")
            if referent.entry.first_version > transfer.entry.first_version
        ),
        None,
    )
