"""`unisson import`: take in the data of another system, as often as one likes."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from api.cli import installation
from api.cli.command_line import group
from api.cli.failure import Failure, Status, tell
from api.cli.files import unusable
from api.cli.language import language, say
from api.cli.output import Json, Territory, write_json, write_line
from api.cli.progress import bar
from api.spreadsheet import write_rows
from application.hmis.importer import import_hmis
from application.importing import ImportImpossible, Refusal, Report
from domain.clock import SystemClock
from domain.rules import Calendars

REFUSALS_SHOWN_MAX = 1_000
REFUSALS_PRINTED_MAX = 20

app = group("import")


@app.command(
    name="hmis",
    help=say(
        "Reprendre un export HUD HMIS CSV (FY2022 à FY2026). Une ligne fautive n'arrête pas les autres.",
        "Take in a HUD HMIS CSV export (FY2022 to FY2026). A broken line does not stop the others.",
    ),
)
def hmis(
    folder: Annotated[Path, Parameter(help=say("Le dossier des fichiers CSV.", "The folder of the CSV files."))],
    /,
    *,
    territory: Territory,
    dry_run: Annotated[
        bool, Parameter(negative="", help=say("Tout faire, sauf enregistrer.", "Do everything but record."))
    ] = False,
    errors: Annotated[
        Path | None,
        Parameter(help=say("Fichier CSV où écrire chaque refus.", "CSV file that gets every refusal.")),
    ] = None,
    json: Json = False,
) -> int:
    report = installation.run(_import(folder, territory, dry_run=dry_run))
    if errors is not None:
        _write_refusals(errors, report.refusals)
    if json:
        write_json(report.told(language(), refusals_max=REFUSALS_SHOWN_MAX))
    else:
        _show(report)
    return Status.PARTIAL if report.refusals else Status.OK


async def _import(folder: Path, territory: str, *, dry_run: bool) -> Report:
    async with installation.opened() as here:
        with bar(say("parcours", "pathways")) as shown:
            try:
                return await import_hmis(
                    folder,
                    territory,
                    log=here.log,
                    vault=here.vault,
                    clock=SystemClock(),
                    zone=Calendars().of(territory).tz,
                    dry_run=dry_run,
                    progress=shown,
                )
            except ImportImpossible as error:
                raise Failure(f"{error.file} : {error.reason.fr}", f"{error.file}: {error.reason.en}") from error


def _write_refusals(path: Path, refusals: list[Refusal]) -> None:
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            rows = (refusal.told(language()) for refusal in refusals)
            write_rows(file, ("file", "line", "column", "code", "reason"), rows)
    except OSError as error:
        raise unusable(path, error) from error


def _show(report: Report) -> None:
    if report.dry_run:
        write_line(say("À blanc : rien n'a été enregistré.", "Dry run: nothing was recorded."))
    counts = {
        say("lignes lues", "lines read"): report.lines_read,
        say("lignes refusées", "lines refused"): report.lines_refused,
        say("parcours ouverts", "pathways opened"): report.pathways,
        say("parcours complétés", "pathways completed"): report.pathways_changed,
        say("parcours inchangés", "pathways unchanged"): report.pathways_unchanged,
        say("événements", "events"): report.events,
        say("faits", "facts"): report.facts,
        say("services partenaires inscrits", "agencies registered"): report.agencies,
    }
    for name, count in counts.items():
        write_line(f"{name:<32}{count:>10}")
    for refusal in report.refusals[:REFUSALS_PRINTED_MAX]:
        told = refusal.told(language())
        place = ", ".join(str(told[name]) for name in ("file", "line", "column") if told[name] is not None)
        write_line(f"  {place}{say(' :', ':')} {told['reason']}")
    if len(report.refusals) > REFUSALS_PRINTED_MAX:
        tell(
            say(
                f"{len(report.refusals) - REFUSALS_PRINTED_MAX} autres refus : --errors FICHIER les écrit tous",
                f"{len(report.refusals) - REFUSALS_PRINTED_MAX} more refusals: --errors FILE writes them all",
            )
        )
