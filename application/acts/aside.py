"""What may always be done about an alert that stands: say why it is right so for a time, or that the alert is wrong."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, tzinfo

from application.acts.proposed import Proposal
from application.acts.sketch import Asks, Blank, Way, code, text
from domain.alert import Recipient, Sees
from domain.alert_commands import WAIVED_FOR_MAX
from domain.alert_pause import WaiverCode
from domain.alert_response import Wrong

WAIVE, DISPUTE = "waive-alert", "dispute-alert"
PATHS: Mapping[str, str] = {WAIVE: "waivers", DISPUTE: "disputes"}
"""Below the alert's own address."""
DAY = timedelta(days=1)


def aside(recipients: Sequence[Recipient], now: datetime, zone: tzinfo) -> list[Proposal]:
    """Neither clears anything: the situation stands. They are for those told of the content."""
    until = Blank(
        pointer="/until",
        asks=Asks.INSTANT,
        not_before=(now + DAY).astimezone(zone).date(),
        not_after=(now + WAIVED_FOR_MAX - DAY).astimezone(zone).date(),
    )
    agencies = tuple(one.agency for one in recipients if one.sees is Sees.CONTENT)
    return [
        _proposal(WAIVE, agencies, code("/code", list(WaiverCode)), until, text("/text")),
        _proposal(DISPUTE, agencies, code("/reason", list(Wrong)), text("/text", required=False)),
    ]


def _proposal(command: str, agencies: tuple[str, ...], *blanks: Blank) -> Proposal:
    return Proposal(
        command=command,
        way=Way.SET_ASIDE,
        entry=None,
        body={},
        blanks=blanks,
        agencies=agencies,
        clears=False,
    )
