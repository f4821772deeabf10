"""A year of a territory as stories: most pathways stay in step with every rule, some are planted out of step.

Pure and seeded: the same seed and the same last day give the same calls and the same expectations.
"""

from datetime import date
from random import Random

from api.demo.faults import FAULTS, LASTING
from api.demo.life import Life
from api.demo.script import Story

EVERY = 5
"""One pathway in so many is out of step."""


def write_stories(seed: int, last_day: date, pathways: int) -> list[Story]:
    """Each fault in its turn: still there on `last_day` the first time, put right late the second, and so on."""
    return [_write(Random(f"{seed}/{number}"), number, last_day) for number in range(pathways)]


def _write(random: Random, number: int, last_day: date) -> Story:
    life = Life(random, number, last_day)
    turn, place = divmod(number, EVERY)
    if place == EVERY - 2:
        plants = list(FAULTS.items())
        round_, index = divmod(turn, len(plants))
        rule, plant = plants[index]
        late = round_ % 2 == 1 and rule not in LASTING
        told = plant(life, late)
        life.expect(rule, cleared=late, told=told)
    else:
        life.live_in_step()
    return life.story()
