"""A store is asked once at a time, believed for a second, and not believed about what was just changed here."""

import asyncio

import pytest

from application.believed import BELIEVED_SECONDS, Believed


class Store:
    def __init__(self) -> None:
        self.value, self.asked, self.now = "old", 0, 0.0
        self.gate = asyncio.Event()
        self.gate.set()
        self.believed = Believed(self.find, lambda: self.now)

    async def find(self, _key: str) -> str:
        self.asked += 1
        answer = self.value
        await self.gate.wait()
        return answer


async def test_an_answer_is_believed_for_a_second_and_no_longer() -> None:
    store = Store()
    assert await store.believed.get("a") == "old"
    store.value = "new"
    store.now = BELIEVED_SECONDS * 0.99
    assert await store.believed.get("a") == "old"
    store.now = BELIEVED_SECONDS
    assert await store.believed.get("a") == "new"
    assert store.asked == 2


async def test_many_who_wait_ask_once() -> None:
    store = Store()
    assert await asyncio.gather(*(store.believed.get("a") for _ in range(50))) == ["old"] * 50
    assert store.asked == 1


async def test_an_answer_already_on_its_way_is_not_believed_after_a_change() -> None:
    store = Store()
    store.gate.clear()
    early = asyncio.create_task(store.believed.get("a"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    store.value = "new"
    store.believed.forget("a")
    store.gate.set()
    assert await store.believed.get("a") == "new"
    assert await early == "old"  # Asked before the change; the next to ask gets no such answer.
    assert await store.believed.get("a") == "new"


async def test_a_failure_is_told_and_not_kept() -> None:
    store = Store()

    async def fail(_key: str) -> str:
        store.asked += 1
        raise OSError

    failing = Believed(fail, lambda: store.now)
    for _ in range(2):
        with pytest.raises(OSError):
            await failing.get("a")
    assert store.asked == 2


async def test_what_was_asked_longest_ago_is_let_go_of() -> None:
    store = Store()
    few = Believed(store.find, lambda: store.now, kept=2)
    for key in ("a", "b", "c", "c", "b", "a"):
        await few.get(key)
    assert store.asked == 4
