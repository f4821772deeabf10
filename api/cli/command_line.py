"""What may be typed after `unisson`, parsed by cyclopts, with its help and its mistakes in the chosen language."""

from typing import Any

from cyclopts import App, CycloptsError, Group
from cyclopts.exceptions import (
    CoercionError,
    MissingArgumentError,
    UnknownCommandError,
    UnknownOptionError,
    ValidationError,
)

from api.cli import ABOUT, COMMANDS, HELP, VERSION
from api.cli.failure import Status, tell
from api.cli.help_page import HelpPage
from api.cli.language import say


def group(name: str) -> App:
    """A command that has commands of its own."""
    return _localised(App(name=name, help=say(*COMMANDS[name])))


def application() -> App:
    """Every command, none of them imported yet."""
    app = _localised(
        App(
            name="unisson",
            help=say(*ABOUT),
            version=_version,
            version_flags=["--version"],
            help_format="plaintext",
            help_formatter=HelpPage(),
            result_action="return_value",
        )
    )
    app["--version"].help = say(*VERSION)
    for place, (name, text) in enumerate(COMMANDS.items()):
        module = "import_hmis" if name == "import" else name
        if name in GROUPS:
            app.command(f"api.cli.{module}:app", name=name, help=say(*text), sort_key=place)
        else:
            app.command(f"api.cli.{module}:{name}", name=name, help=say(*text), sort_key=place)
    return app


GROUPS = {
    "projections",
    "import",
    "facts",
    "rules",
    "alerts",
    "keys",
    "clients",
    "members",
    "vault",
    "rights",
    "erasure",
    "agencies",
    "database",
    "log",
    "witness",
}


def run(arguments: list[str]) -> int:
    app = application()
    try:
        result: Any = app(arguments, exit_on_error=False, print_error=False, verbose=False)
    except CycloptsError as error:
        tell(_explained(error) + say(" (voyez --help)", " (see --help)"))
        return Status.USAGE
    return int(result or 0)


def _localised(app: App) -> App:
    app.group_commands = Group(say("Commandes", "Commands"))
    app.group_parameters = Group(say("Options", "Options"))
    app.group_arguments = Group(say("Arguments", "Arguments"))
    app["--help"].help = say(*HELP)
    return app


def _version() -> str:
    from importlib.metadata import version

    return version("unisson")


def _explained(error: CycloptsError) -> str:
    """In English, the library's own words; in French, ours."""
    argument = error.argument.name if error.argument else ""
    if isinstance(error, ValidationError):
        return f"{argument}{say(' ', '')}: {error.exception_message}"
    if say("fr", "en") == "en":
        return str(error)
    unused = (error.unused_tokens or [""])[0]
    match error:
        case UnknownCommandError():
            return f"commande inconnue : {unused}"
        case UnknownOptionError():
            return f"option inconnue : {error.token.keyword or error.token.value}"
        case MissingArgumentError():
            return f"il manque {argument}"
        case CoercionError():
            return f"valeur invalide pour {argument}"
        case _:
            return f"commande mal formée : {argument or unused}"
