"""Calendars are drawn beside the loop, once for all who ask for the same, and only the last ones are kept."""

import asyncio
import threading
from functools import partial

from api.drawn_calendars import KEPT, DrawnCalendars


async def test_nobody_waits_for_a_calendar_of_somebody_else_and_it_is_drawn_once() -> None:
    calendars, others_went_on = DrawnCalendars(), threading.Event()
    drawn: list[bool] = []

    def draw() -> bytes:
        drawn.append(others_went_on.wait(20))
        return b"calendar"

    async def go_on() -> bytes:
        others_went_on.set()
        return b""

    assert await asyncio.gather(*(calendars.of(b"key", draw) for _ in range(3)), go_on()) == [b"calendar"] * 3 + [b""]
    assert drawn == [True]


async def test_only_the_last_ones_are_kept() -> None:
    calendars, drawn = DrawnCalendars(), list[int]()

    def draw(number: int) -> bytes:
        drawn.append(number)
        return b""

    for number in [*range(KEPT + 1), 1, 0]:
        await calendars.of(b"%d" % number, partial(draw, number))
    assert drawn == [*range(KEPT + 1), 0]
