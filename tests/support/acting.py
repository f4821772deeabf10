"""Proposed acts as a client takes them: blanks filled in with what a person could say, the request sent."""

from datetime import datetime, timedelta
from typing import Any

import httpx2

from application.acts.trial import filled
from domain import themes_v1
from tests.support.service import Agency

SAID = "Somebody said so."
SOME_THEME = next(iter(themes_v1.NEEDS))


def body_of(act: dict[str, Any], now: datetime, *, another_agency: str) -> dict[str, Any]:
    """The body with its blanks filled in: the first choice, the latest day that will do, another agency, some text."""
    blanks = {blank["pointer"]: _value(blank, now, another_agency) for blank in act["blanks"] if blank["required"]}
    return filled(act["body"], blanks)


def _value(blank: dict[str, Any], now: datetime, another_agency: str) -> str:
    match blank["asks"]:
        case "day":
            return blank["not_after"] or now.date().isoformat()
        case "instant":
            latest = (
                now if blank["not_after"] is None else datetime.fromisoformat(f"{blank['not_after']}T12:00:00+00:00")
            )
            return (latest - timedelta(minutes=5 if blank["pointer"] == "/start" else 1)).isoformat()
        case "agency":
            return another_agency
        case "text":
            return SAID
    return str(blank["choices"][0]) if blank["choices"] else SOME_THEME


async def send(agency: Agency, act: dict[str, Any], body: dict[str, Any]) -> httpx2.Response:
    headers = {} if act["if_match"] is None else {"If_Match": act["if_match"]}
    return await agency.command(act["url"], body, **headers)
