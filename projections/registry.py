"""Every projection, in the order in which they are shown: the table of contents of this package."""

from collections.abc import Collection

from application.alerts import Alerts
from application.blind_index import BlindKeys
from application.event_log import EventLog
from application.rules_in_force import RulesInForce
from domain.rules import Calendars
from projections.agency_directory import AgencyDirectory
from projections.agency_inbox import AgencyInbox
from projections.alert_board import AlertBoard
from projections.alert_timers import AlertTimersView
from projections.appointment_book import AppointmentBook
from projections.desynchronisation import Desynchronisation
from projections.erasures import ErasureList
from projections.notifications import Notifications
from projections.officers import Officers
from projections.pathway_timeline import PathwayTimeline
from projections.person_index import PersonIndex
from projections.projection import Projection
from projections.quiet_alerts import QuietAlerts
from projections.retention_clocks import RetentionClocksView
from projections.rule_health import RuleHealth
from projections.rulebook import Rulebook


def projections(
    log: EventLog,
    rules: RulesInForce,
    calendars: Calendars,
    *,
    quiet_territories: Collection[str] = (),
    blind_keys: BlindKeys | None = None,
) -> tuple[Projection, ...]:
    """All of them. In `quiet_territories`, alerts are recorded and nobody is told: for the time of a large import.

    Without the vault's `blind_keys` there is no person index.
    """
    return (
        AgencyDirectory(),
        Rulebook(),
        PathwayTimeline(),
        AgencyInbox(),
        AppointmentBook(),
        Desynchronisation(rules, calendars, Alerts(log), quiet_territories),
        AlertBoard(),
        RuleHealth(),
        AlertTimersView(log, rules, calendars),
        QuietAlerts(log, calendars),
        ErasureList(),
        Officers(),
        RetentionClocksView(),
        *(() if blind_keys is None else (PersonIndex(blind_keys),)),
        Notifications(log, calendars=calendars),
    )
