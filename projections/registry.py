"""Every projection, in the order in which they are shown: the table of contents of this package."""

from collections.abc import Collection

from application.alerts import Alerts
from application.event_log import EventLog
from application.rules_in_force import RulesInForce
from domain.rules import Calendars
from projections.agency_directory import AgencyDirectory
from projections.agency_inbox import AgencyInbox
from projections.alert_board import AlertBoard
from projections.desynchronisation import Desynchronisation
from projections.erasures import ErasureList
from projections.notifications import Notifications
from projections.pathway_timeline import PathwayTimeline
from projections.projection import Projection
from projections.retention_clocks import RetentionClocksView
from projections.rulebook import Rulebook


def projections(
    log: EventLog, rules: RulesInForce, calendars: Calendars, *, quiet_territories: Collection[str] = ()
) -> tuple[Projection, ...]:
    """All of them. In `quiet_territories`, alerts are recorded and nobody is told: for the time of a large import."""
    return (
        AgencyDirectory(),
        Rulebook(),
        PathwayTimeline(),
        AgencyInbox(),
        Desynchronisation(rules, calendars, Alerts(log), quiet_territories),
        AlertBoard(),
        ErasureList(),
        RetentionClocksView(),
        Notifications(),
    )
