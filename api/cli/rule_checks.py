"""`unisson rules explain`, `reconcile` and `schema`: what a judgement rests on, and whether what is stored holds."""

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
from cyclopts import App, Parameter

from api.cli import installation
from api.cli.failure import Failure, Status, tell
from api.cli.files import write_document, written
from api.cli.language import language, say
from api.cli.output import Json, Territory, write_json, write_line
from api.cli.progress import bar
from domain.rules.explain import Explanation
from domain.rules.obligation import Obligation
from domain.rules.schema import rule_schema

if TYPE_CHECKING:
    from api.runtime import Runtime
    from projections.reconciliation import Difference, Reconciled

SHOWN_MAX = 1_000
"""Differences that are listed; all are counted."""
PATIENCE_SECONDS = 5.0
"""For the server that follows the log, to show what was there when the command began."""


def add_to(app: App) -> None:
    app.command(
        reconcile,
        name="reconcile",
        help=say(
            "Tout juger à nouveau et comparer avec ce qui est enregistré ; rien n'est changé.",
            "Judge everything again and compare with what is stored; nothing is changed.",
        ),
    )
    app.command(
        schema,
        name="schema",
        help=say("Le schéma JSON d'une règle, pour un éditeur.", "The JSON Schema of a rule, for an editor."),
    )


def explained(explanations: list[tuple[Obligation, Explanation]], *, json: bool) -> None:
    """Write them, one a line."""
    with written(None) as output:
        for obligation, explanation in explanations:
            if json:
                line = obligation.line() | {"explanation": explanation}
                output.write(msgspec.json.encode(line) + b"\n")
            else:
                window = explanation.window.fr if language() == "fr" else explanation.window.en
                text = explanation.fr if language() == "fr" else explanation.en
                output.write(f"{obligation.pathway}  {explanation.rule}  {text} [{window}]\n".encode())


def schema(
    *,
    output: Annotated[
        Path | None,
        Parameter(help=say("Fichier à écrire ; sinon, la sortie.", "File to write; standard output otherwise.")),
    ] = None,
) -> None:
    write_document(output, rule_schema())


def reconcile(*, territory: Territory | None = None, json: Json = False) -> int:
    found = installation.run(_reconcile(territory))
    if json:
        write_json({"territories": found})
    else:
        for one in found:
            write_line(one.sentence())
            for difference in one.differences:
                write_line(f"  {_line(difference)}")
    different, behind = any(one.different for one in found), any(one.behind for one in found)
    if different:
        tell(say("ce qui est enregistré n'est pas ce qui est jugé", "what is stored is not what is judged"))
    if behind:
        tell(say("tout n'a pas été vérifié : les vues sont en retard", "not all was checked: the views are behind"))
    return Status.FAILED if different or behind else Status.OK


class Report(msgspec.Struct, kw_only=True):
    """What the check of one territory came to."""

    territory: str
    behind: int = 0
    """Events that the views do not show yet, so that nothing was checked of them."""
    pathways: int = 0
    obligations: int = 0
    waiting: int = 0
    different: int = 0
    """All of them; `differences` holds the first."""
    differences: "list[Difference]" = []

    def add(self, page: "Reconciled") -> None:
        self.pathways += page.pathways
        self.obligations += page.obligations
        self.waiting += page.waiting
        self.different += len(page.differences)
        self.differences += islice(page.differences, SHOWN_MAX - len(self.differences))

    def sentence(self) -> str:
        return say(
            f"{self.territory} : {self.pathways} parcours, {self.obligations} obligations, {self.waiting} en attente,"
            f" {self.different} différences, {self.behind} événements de retard",
            f"{self.territory}: {self.pathways} pathways, {self.obligations} obligations, {self.waiting} waiting,"
            f" {self.different} differences, {self.behind} events behind",
        )


async def _reconcile(territory: str | None) -> list[Report]:
    async with installation.up_to_date() as runtime:
        territories = await runtime.log.territories()
        if territory is not None and territory not in territories:
            raise Failure(f"aucun territoire {territory}", f"there is no territory {territory}")
        return [await _report(runtime, one) for one in territories if territory in (None, one)]


async def _report(runtime: "Runtime", territory: str) -> Report:
    head = await runtime.log.head(territory)
    report = Report(territory=territory, behind=await _behind(runtime, territory, head))
    with bar(say("événements", "events")) as shown:
        async for page in runtime.reconciliation.pages(territory, runtime.clock.now()):
            report.add(page)
            shown(page.cursor, page.cursor, head)
    return report


async def _behind(runtime: "Runtime", territory: str, head: int) -> int:
    from projections.consumers import folded_position
    from projections.desynchronisation import Desynchronisation

    names = [Desynchronisation.name]
    if await runtime.follower.caught_up(territory, head, PATIENCE_SECONDS, names):
        return 0
    return head - max(await folded_position(runtime.pool, territory, names), 0)


def _line(difference: "Difference") -> str:
    what = "  ".join(str(part) for part in (difference.rule, difference.activation, difference.target) if part)
    fields = f" ({', '.join(difference.fields)})" if difference.fields else ""
    return f"{difference.pathway}  {what}  {difference.stored} -> {difference.judged}{fields}"
