"""Plays the stories over HTTP, each agency with its own key, day after day."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import httpx2

from api.demo.clock import PlayedClock
from api.demo.script import Call, Story, by_day
from api.pathways import UPDATES
from domain.catalogue import BY_NAME

PATHWAYS_AT_ONCE = 32


class CallRefusedError(Exception):
    """The API refused what the stories say: one of the two is wrong."""


class Player:
    """Holds one HTTP client per agency and remembers which pathway each story became."""

    def __init__(self, address: str, keys: Mapping[str, str], clock: PlayedClock) -> None:
        limits = httpx2.Limits(max_connections=PATHWAYS_AT_ONCE)
        self._clients = {
            agency: httpx2.AsyncClient(
                base_url=address, headers={"Authorization": f"Bearer {key}"}, limits=limits, timeout=30
            )
            for agency, key in keys.items()
        }
        self._keys = keys
        self._clock = clock
        self._turns = asyncio.Semaphore(PATHWAYS_AT_ONCE)
        self.pathways: dict[int, UUID] = {}
        """The pathway of each story, by the story's number."""
        self.calls = 0

    def key_of(self, agency: str) -> str:
        return self._keys[agency]

    async def close(self) -> None:
        for client in self._clients.values():
            await client.aclose()

    async def play(self, stories: list[Story], on_call: Callable[[], None]) -> None:
        """A day's calls run side by side, those of one pathway in order; the clock only moves between days."""
        for _, by_story in by_day(stories):
            self._clock.set(max(calls[-1].at for calls in by_story.values()))
            async with asyncio.TaskGroup() as tasks:
                for number, calls in by_story.items():
                    tasks.create_task(self._play_pathway(number, calls, on_call))

    async def _play_pathway(self, number: int, calls: list[Call], on_call: Callable[[], None]) -> None:
        async with self._turns:
            for place, call in enumerate(calls):
                answer = await self._send(number, call, f"{number}-{call.at:%Y%m%d}-{place}")
                if call.command == "open-pathway":
                    self.pathways[number] = UUID(answer["pathway_id"])
                self.calls += 1
                on_call()

    async def _send(self, number: int, call: Call, idempotency_key: str) -> Any:
        spec = BY_NAME[call.command]
        path = "/v1/pathways"
        if number in self.pathways:
            path += f"/{self.pathways[number]}" + spec.path.replace("{entry_id}", str(call.entry))
        headers = {"Idempotency-Key": idempotency_key}
        if spec.name in UPDATES:
            headers["If-Match"] = "*"  # Whatever the version: the stories know of no other hand.
        response = await self._clients[call.agency].post(path, json=call.body, headers=headers)
        if response.status_code not in {200, 201}:
            raise CallRefusedError(f"{call.agency} {spec.name}: {response.status_code} {response.text}")
        return response.json()

    async def get(self, agency: str, path: str) -> Any:
        """A read, as one agency."""
        response = await self._clients[agency].get(path)
        if response.status_code != 200:
            raise CallRefusedError(f"{agency} GET {path}: {response.status_code} {response.text}")
        return response.json()

    async def post(self, agency: str, path: str, body: Any) -> Any:
        """A write outside the pathways, as one agency."""
        response = await self._clients[agency].post(path, json=body, headers={"Idempotency-Key": path})
        if response.status_code not in {200, 201, 202}:
            raise CallRefusedError(f"{agency} POST {path}: {response.status_code} {response.text}")
        return response.json()


def first_moment(stories: list[Story]) -> datetime:
    return min(call.at for story in stories for call in story.calls)
