"""Imports one HMIS export into a territory: read it, map it, record what is not recorded yet."""

from datetime import tzinfo
from pathlib import Path

from application.agencies import Agencies
from application.agency_import import import_agency
from application.event_log import EventLog
from application.hmis.export import load
from application.hmis.mapping import SOURCE, Mapping
from application.importing import Progress, Report
from application.key_vault import KeyVault
from application.pathway_import import PathwayImport
from application.pathway_telling import Ids, import_secret
from domain.clock import Clock


async def import_hmis(
    folder: Path,
    territory: str,
    *,
    log: EventLog,
    vault: KeyVault,
    clock: Clock,
    zone: tzinfo,
    dry_run: bool = False,
    progress: Progress = lambda _done, _events, _total: None,
) -> Report:
    """Raises ImportImpossible when a required file is missing or unusable; else says line by line what was refused."""
    export = load(folder, clock.now().astimezone(zone).date())
    report = Report(
        dry_run=dry_run,
        lines_read=export.lines_read,
        lines_deleted=export.lines_deleted,
        refusals=export.refusals,
    )
    ids = Ids(await import_secret(vault, territory, dry_run=dry_run), SOURCE)
    mapping = Mapping(export, ids, territory)
    await PathwayImport(log, clock, territory, zone, report, progress).run(mapping.tellings(), len(export.people))
    directory = Agencies(log, clock, zone)
    for telling in mapping.agencies.tellings(ids):
        await import_agency(directory, territory, telling, report)
    # A line that makes two entries is refused once.
    report.refusals = sorted(dict.fromkeys(report.refusals), key=lambda refusal: (refusal.file, refusal.line))
    return report
