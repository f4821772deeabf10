"""`unisson retention`: whom the retention clock would archive and erase, and doing it."""

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from api.cli import installation
from api.cli.language import say
from api.cli.output import Json, Territory, write_json, write_line

if TYPE_CHECKING:
    from application.retention import Report


def retention(
    *,
    territory: Territory,
    dry_run: Annotated[
        bool, Parameter(name="--dry-run", negative="", help=say("Dire, sans rien faire.", "Tell, and do nothing."))
    ] = False,
    json: Json = False,
) -> None:
    report = installation.run(_retention(territory, dry_run=dry_run))
    if json:
        write_json(report)
        return
    for due in (*report.to_archive, *report.to_erase, *report.held):
        since = due.archived_on or due.last_contact
        write_line(f"{due.pathway_id}  {due.stage:<10}  {since}")
    if not (report.to_archive or report.to_erase or report.held):
        write_line(say("Rien à archiver ni à effacer.", "Nothing to archive or to erase."))


async def _retention(territory: str, *, dry_run: bool) -> "Report":
    async with installation.up_to_date() as runtime:
        retention = runtime.retention
        report = await (retention.report(territory) if dry_run else retention.carry_out(territory))
        await runtime.follower.catch_up()
        return report
