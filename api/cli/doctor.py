"""`unisson doctor`: every check of the installation, with its remedy; the status tells a script whether all is well."""

from api.cli import installation
from api.cli.failure import Status
from api.cli.language import say
from api.cli.output import Json, write_json, write_line
from domain.clock import SystemClock
from infrastructure.doctor import Check, Text, examine
from infrastructure.settings import SettingsError, read_settings


def doctor(*, json: Json = False) -> int:
    try:
        settings = read_settings()
    except SettingsError as error:
        checks = installation.run(examine(error, SystemClock()))
    else:
        checks = installation.run(examine(settings, SystemClock()))
    well = all(check.ok for check in checks)
    if json:
        write_json({"ok": well, "checks": [_told(check) for check in checks]})
    else:
        for check in checks:
            _show(check)
    return Status.OK if well else Status.FAILED


def _told(check: Check) -> dict[str, str | bool | None]:
    return {
        "name": check.name,
        "ok": check.ok,
        "detail": _text(check.detail),
        "remedy": _text(check.remedy) if check.remedy else None,
    }


def _show(check: Check) -> None:
    write_line(f"{'✓' if check.ok else '✗'} {_text(check.detail)}")
    if check.remedy:
        write_line(f"  → {_text(check.remedy)}")


def _text(text: Text) -> str:
    return say(text.fr, text.en)
