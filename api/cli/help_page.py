"""The page that `--help` prints: plain text, in the chosen language, no wider than the terminal."""

import textwrap
from typing import TYPE_CHECKING, Any

from api.cli.language import say

if TYPE_CHECKING:
    from cyclopts.help import HelpEntry, HelpPanel
    from rich.console import Console, ConsoleOptions

NAME_COLUMNS = 28
WIDTH_MAX = 100


class HelpPage:
    """A formatter as cyclopts wants it."""

    def __call__(self, console: "Console", options: "ConsoleOptions", panel: "HelpPanel") -> None:
        if panel.entries:
            _print(console, f"{_plain(console, panel.title)}{say(' :', ':')}")
            for entry in panel.entries:
                _print(console, _line(console, entry, min(options.max_width, WIDTH_MAX)))
            _print(console, "")

    def render_usage(self, console: "Console", _options: "ConsoleOptions", usage: Any) -> None:
        text = _plain(console, usage).removeprefix("Usage:").strip().replace("COMMAND", say("COMMANDE", "COMMAND"))
        if text:
            _print(console, say("Usage : ", "Usage: ") + text + "\n")

    def render_description(self, console: "Console", _options: "ConsoleOptions", description: Any) -> None:
        text = _plain(console, description)
        if text:
            _print(console, text + "\n")


def _line(console: "Console", entry: "HelpEntry", width: int) -> str:
    names = ", ".join((*entry.names, *entry.shorts))
    told = _plain(console, entry.description)
    if entry.choices:
        told += f" [{'|'.join(entry.choices)}]"
    if entry.required:
        told += say(" (obligatoire)", " (required)")
    elif entry.default not in (None, "False", "None"):
        told += say(f" (sinon : {entry.default})", f" (default: {entry.default})")
    lines = textwrap.wrap(told, max(20, width - NAME_COLUMNS - 2)) or [""]
    first = f"  {names:<{NAME_COLUMNS - 2}}"
    head = [first + "\n" + " " * NAME_COLUMNS + lines[0]] if len(first) > NAME_COLUMNS else [first + lines[0]]
    return "\n".join(head + [" " * NAME_COLUMNS + line for line in lines[1:]])


def _plain(console: "Console", text: Any) -> str:
    """Cyclopts hands over whatever rich can print."""
    if text is None or isinstance(text, str):
        return (text or "").strip()
    with console.capture() as said:
        console.print(text, highlight=False, markup=False, no_wrap=True, soft_wrap=True)
    return said.get().strip()


def _print(console: "Console", text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)
