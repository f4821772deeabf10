"""The language of one run of the command line: French, or English with `--lang en` or UNISSON_LANG=en.

It is chosen before any command is imported, so that a help text is simply written in it.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from application.importing import Language

_language: "Language" = "fr"


class UnknownLanguage(Exception):
    """`--lang` is followed by something else than `fr` or `en`."""


def choose(arguments: list[str], environment: Mapping[str, str]) -> list[str]:
    """Take `--lang` out of the arguments, wherever it stands, and remember it. Raises UnknownLanguage."""
    global _language  # noqa: PLW0603 (one language per process)
    wanted = environment.get("UNISSON_LANG") or "fr"
    rest: list[str] = []
    remaining = iter(arguments)
    for argument in remaining:
        if argument == "--":
            rest += [argument, *remaining]
        elif argument == "--lang":
            wanted = next(remaining, "")
        elif argument.startswith("--lang="):
            wanted = argument.removeprefix("--lang=")
        else:
            rest.append(argument)
    if wanted not in ("fr", "en"):
        raise UnknownLanguage
    _language = "en" if wanted == "en" else "fr"
    return rest


def language() -> "Language":
    return _language


def say(fr: str, en: str) -> str:
    """The text in the language of this run."""
    return en if _language == "en" else fr
