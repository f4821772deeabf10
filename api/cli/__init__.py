"""The command `unisson`. Each group of commands is a file of its own, imported only when it is used."""

import os
import sys
from collections.abc import Sequence

from api.cli import language
from api.cli.failure import Failure, Status, tell

COMMANDS = {
    "serve": ("Sert l'API et tient les vues à jour.", "Serve the API and keep the views up to date."),
    "demo": ("Joue une année d'un territoire fictif, puis sert.", "Play a year of a made-up territory, then serve."),
    "doctor": ("Vérifie l'installation et dit comment réparer.", "Check the installation and say how to repair it."),
    "projections": ("Voir et reconstruire les vues.", "See and rebuild the views."),
    "import": ("Reprendre les données d'un autre logiciel.", "Take in the data of another system."),
    "facts": ("Écrire les faits, tels que les règles les voient.", "Write the facts, as the rules see them."),
    "rules": ("Écrire, essayer et publier des règles.", "Write, try and publish rules."),
    "alerts": ("Lister les alertes et les expliquer.", "List alerts and explain them."),
    "at": ("Rejouer un territoire tel qu'on le connaissait.", "Replay a territory as it was known."),
    "keys": ("Donner et retirer les clés d'API.", "Give and withdraw API keys."),
    "vault": ("Le coffre des clés et la rotation de sa clé.", "The key vault, and turning over its key."),
    "clients": ("Inscrire les logiciels partenaires (OAuth).", "Register partners' software (OAuth)."),
    "members": ("Voir et décider les rôles des personnes.", "See people's roles and decide on them."),
    "bootstrap": ("Faire un lien d'entrée pour un exploitant.", "Make a link for an operator to come in by."),
    "rights": ("Limiter, geler, exporter un parcours.", "Restrict, hold or export a pathway."),
    "erasure": ("Effacer des personnes et l'attester.", "Erase persons, and certify it."),
    "retention": ("Archiver puis effacer ce qui a fait son temps.", "Archive, then erase, what served its time."),
    "agencies": ("Inscrire et lister les services partenaires.", "Register and list partner services."),
    "log": ("Prouver que l'histoire n'a pas été réécrite.", "Prove that history was not rewritten."),
    "witness": ("Témoigner du journal d'une autre installation.", "Witness the log of another installation."),
    "database": ("Donner l'adresse de la base à d'autres outils.", "Give the database's address to other tools."),
    "openapi": ("Écrire la description de l'API.", "Write the API's description."),
    "asyncapi": ("Écrire la description des messages.", "Write the description of the messages."),
}
"""Every command, in the order of the help page, with what it is for."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit status."""
    try:
        return _run(list(sys.argv[1:] if arguments is None else arguments))
    except KeyboardInterrupt:
        return Status.INTERRUPTED
    except BrokenPipeError:
        # The reader has gone (`| head`): nothing more to say, not even when Python flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Status.OK
    except Failure as failure:
        tell(str(failure))
        return failure.status
    except Exception as error:  # noqa: BLE001 (the last line of defence: a message may quote personal data)
        from api.cli.failure import tell_bug

        tell_bug(error)
        return Status.FAILED


def _run(arguments: list[str]) -> int:
    try:
        arguments = language.choose(arguments, os.environ)
    except language.UnknownLanguage:
        tell("--lang : fr ou en ; --lang: fr or en")
        return Status.USAGE
    if arguments in ([], ["-h"], ["--help"]):
        print(root_page(), end="")
        return Status.OK
    from api.cli.command_line import run

    status = run(arguments)
    sys.stdout.flush()
    return status


ABOUT = (
    "Garde les services d'un territoire en phase autour de chaque personne accompagnée.",
    "Keeps the services of a territory in step around each person they support.",
)
LANGUAGE = ("Langue : --lang en, ou UNISSON_LANG=en.", "Language: --lang fr, or UNISSON_LANG=fr.")
HELP = ("Cette aide, ou celle d'une commande.", "This help, or that of a command.")
VERSION = ("La version installée.", "The installed version.")


def root_page() -> str:
    """The first help page, made without the parser: it takes longer to load than to read this."""
    say = language.say
    lines = [say("Usage : unisson COMMANDE", "Usage: unisson COMMAND"), "", say(*ABOUT), "", say(*LANGUAGE), ""]
    lines.append(say("Commandes :", "Commands:"))
    lines += [f"  {name:<26}{say(*text)}" for name, text in COMMANDS.items()]
    lines += [f"  {'--help, -h':<26}{say(*HELP)}", f"  {'--version':<26}{say(*VERSION)}"]
    return "\n".join(lines) + "\n"
