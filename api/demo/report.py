"""What the demonstration prints, for people; progress goes to stderr."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from api.cli.language import language, say
from api.demo.concert import Told
from api.demo.findings import Findings
from api.demo.player import Player
from api.demo.script import Story
from api.demo.territory import AGENCIES, TERRITORY
from api.explanations import alert_row, explanation_of
from api.runtime import Runtime
from infrastructure.settings import Settings

out = Console(highlight=False, soft_wrap=True)
aside = Console(stderr=True, highlight=False)
TIMELINE_LINES = 14


def introduce(stories: list[Story], address: str) -> None:
    planted = sum(len(story.expected) for story in stories)
    out.print(
        say(
            f"[bold]{TERRITORY}[/] : {len(AGENCIES)} services, {len(stories)} parcours, une année, "
            f"{planted} désynchronisations plantées ; tout passe par l'API, {address}",
            f"[bold]{TERRITORY}[/]: {len(AGENCIES)} agencies, {len(stories)} pathways, one year, "
            f"{planted} planted desynchronisations; everything goes through the API, {address}",
        )
    )


@contextmanager
def progress(calls: int) -> Iterator[Callable[[], None]]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=aside, transient=True) as bar:
        task = bar.add_task(say("L'année se joue", "The year is played"), total=calls)
        yield lambda: bar.advance(task)


@contextmanager
def waiting() -> Iterator[None]:
    with aside.status(say("Échéances, alertes et envois s'achèvent", "Deadlines, alerts and deliveries settle")):
        yield


def conclude(findings: Findings) -> None:
    counts = findings.counts
    out.print(
        say(
            f"{findings.calls} appels HTTP, {counts['pathways']} parcours, {counts['events']} événements, "
            f"{counts['obligations']} obligations en cours, {findings.verified} envois signés et vérifiés",
            f"{findings.calls} HTTP calls, {counts['pathways']} pathways, {counts['events']} events, "
            f"{counts['obligations']} open obligations, {findings.verified} deliveries signed and verified",
        )
    )
    table = Table(title=say("Alertes par règle", "Alerts by rule"), title_justify="left")
    for heading in (say("règle", "rule"), say("ouvertes", "open"), say("levées", "cleared")):
        table.add_column(heading)
    by_rule = findings.by_rule()
    for rule in sorted({rule for rule, _ in by_rule}):
        table.add_row(rule, str(by_rule[rule, False]), str(by_rule[rule, True]))
    out.print(table)
    _verdict(findings)


def _verdict(findings: Findings) -> None:
    if findings.as_planted:
        out.print(
            say(
                "[green]✓[/] tout ce qui était planté a été trouvé, rien d'autre, "
                "et chaque service concerné a été prévenu",
                "[green]✓[/] everything planted was found, nothing else, and every agency concerned was told",
            )
        )
        return
    for title, lines in (
        (say("non trouvé", "not found"), [f"{found.rule} {found.pathway}" for found in sorted(findings.missing)]),
        (say("non prévu", "unplanned"), [f"{found.rule} {found.pathway}" for found in sorted(findings.unplanned)]),
        (say("non prévenu", "not told"), findings.untold),
        (say("prévenu à tort", "told without reason"), findings.overtold),
        (say("envois refusés", "deliveries refused"), [str(findings.refused)] if findings.refused else []),
    ):
        for line in lines:
            out.print(f"[red]✗[/] {title} : {line}")


async def show_alert(runtime: Runtime, alert_id: UUID) -> None:
    """Judged again, and explained."""
    row = await alert_row(runtime, alert_id)
    explanation = None if row is None else await explanation_of(runtime, row)
    if row is None or explanation is None:
        return
    french = language() == "fr"
    out.print(f"\n[bold]{say('Une alerte expliquée', 'An alert explained')}[/]  {alert_id}")
    out.print(f"  {explanation.fr if french else explanation.en}")
    out.print(f"  {explanation.window.fr if french else explanation.window.en}")
    fact = explanation.activation
    out.print(f"  {say('déclencheur', 'activation')}: {fact['start']}  {fact['type']}  {fact['agency']}")
    for recipient in row["recipients"]:
        out.print(f"  → {recipient['agency']}  {recipient['role']}  {recipient['sees']}")


def show_told(taker: str | None, told: Sequence[Told]) -> None:
    """Who was told what of one alert, and when; nobody of what they did themselves."""
    if taker is not None:
        out.print(say(f"  {taker} répond qu'il s'en charge", f"  {taker} answers that it takes it"))
    table = Table(title=say("Qui a su quoi, et quand", "Who was told what, and when"), title_justify="left")
    for heading in (say("quand", "when"), say("service", "agency"), say("quoi", "what"), ""):
        table.add_column(heading)
    for one in told:
        notice = "" if one.with_pathway else say("simple avis", "notice only")
        table.add_row(f"{one.at:%Y-%m-%d %H:%M}", one.agency, _words(one), notice)
    out.print(table)


def _words(told: Told) -> str:
    match told.what, told.level:
        case "raised", _:
            return say("nouvelle alerte", "new alert")
        case "reopened", _:
            return say("alerte rouverte", "alert reopened")
        case "escalated", "lead":
            return say("sans réponse : au responsable", "unanswered: to the lead")
        case "escalated", "coordinator":
            return say("sans réponse : à la coordination", "unanswered: to the coordinator")
        case "escalated", _:
            return say("sans réponse : la règle l'aggrave", "unanswered: graver, says its rule")
        case "answered", _:
            return say("un service a répondu", "a service answered")
        case "cleared", _:
            return say("alerte close", "alert cleared")
    return told.what


async def show_timeline(player: Player, stories: list[Story]) -> None:
    story = max(stories[:40], key=lambda story: len(story.expected))
    pathway = player.pathways[story.number]
    page = await player.get(story.referent, f"/v1/pathways/{pathway}/timeline?limit={TIMELINE_LINES}")
    table = Table(title=f"{say('Un parcours', 'A pathway')} {pathway}", title_justify="left")
    for heading in (
        say("vrai le", "true on"),
        say("appris le", "learnt on"),
        say("événement", "event"),
        say("service", "agency"),
    ):
        table.add_column(heading)
    for event in page["items"]:
        table.add_row(str(event["occurred"])[:10], event["recorded_at"][:10], event["type"], event["agency"])
    out.print(table)


def show_addresses(address: str, settings: Settings, player: Player, *, serving: bool) -> None:
    if not serving:
        return
    agency = AGENCIES[0].slug
    out.print(f"\n[bold]{say('À essayer', 'To try')}[/]")
    out.print(f"  {address}/docs")
    out.print(f"  curl -H 'Authorization: Bearer {player.key_of(agency)}' {address}/v1/alerts")
    out.print(f"  UNISSON_DATA_DIR={settings.data_dir} .venv/bin/unisson alerts list --territory {TERRITORY}")
    out.print(say("Ctrl-C pour finir.", "Ctrl-C to end."))
