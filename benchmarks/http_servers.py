"""The servers compared over HTTP, each in a process: `python -m benchmarks.http_servers NAME URL SOCKET FOLDER`.

Each records a contact with a person, answers with its id, and says `ready` on standard output once it listens.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import msgspec
import uvicorn

KEY = "un_live_stock"
POOL_SIZE = 32


QUOTA = 20
"""Requests a second that the limited server takes from one key."""


def unisson(url: str, place: Path, folder: Path, per_second: float = 1e9, burst: int = 1_000_000_000) -> None:
    """What `unisson serve --roles api` runs."""
    from api.app import create_app
    from api.limits import Limits
    from api.server import config_of
    from infrastructure.settings import Settings

    limits = Limits(requests_per_second=per_second, burst=burst)
    settings = Settings(data_dir=folder, database_url=url)
    app = create_app(settings, roles=frozenset({"api"}), limits=limits)
    _serve(config_of(app, limits), place)


def streaming(url: str, place: Path, folder: Path) -> None:
    """All that `unisson serve` runs, open to many streams of one agency."""
    from api.app import create_app
    from api.limits import Limits
    from api.server import config_of
    from infrastructure.settings import Settings

    many = 1_000_000
    limits = Limits(requests_per_second=many, burst=many, streams_of_one_agency=many, waits_of_one_key=many)
    _serve(config_of(create_app(Settings(data_dir=folder, database_url=url), limits=limits), limits), place)


def notifying(url: str, place: Path, folder: Path) -> None:
    """The same, whose partners listen on this machine."""
    from api.app import create_app
    from api.limits import Limits
    from api.server import config_of
    from infrastructure.logs import configure_logs
    from infrastructure.settings import Settings

    configure_logs("error")  # Nobody reads them here.
    many = 1_000_000
    limits = Limits(requests_per_second=many, burst=many)
    settings = Settings(data_dir=folder, database_url=url, allow_loopback_webhooks=True)
    _serve(config_of(create_app(settings, limits=limits), limits), place)


def limited(url: str, place: Path, folder: Path) -> None:
    """The same with a small quota for each key."""
    unisson(url, place, folder, QUOTA, 2 * QUOTA)


def bare(url: str, place: Path, folder: Path) -> None:  # noqa: ARG001
    """A Litestar handler that does one raw INSERT."""
    import asyncpg
    from litestar import Litestar, Request, post

    from domain.ids import uuid7

    class Contact(msgspec.Struct):
        channel: str
        reached: bool
        note: str

    @contextlib.asynccontextmanager
    async def pooled(app: Litestar) -> AsyncIterator[None]:
        async with asyncpg.create_pool(url, min_size=POOL_SIZE, max_size=POOL_SIZE) as pool:
            await pool.execute("CREATE TABLE IF NOT EXISTS bare (id uuid PRIMARY KEY, stream uuid, payload bytea)")
            app.state.pool = pool
            yield

    @post("/v1/pathways/{pathway_id:uuid}/contacts")
    async def record(request: Request[Any, Any, Any], pathway_id: UUID) -> dict[str, str]:
        body = msgspec.json.decode(await request.body(), type=Contact)
        contact_id = uuid7()
        await request.app.state.pool.execute(
            "INSERT INTO bare VALUES ($1, $2, $3)", contact_id, pathway_id, msgspec.json.encode(body)
        )
        return {"id": str(contact_id)}

    app = Litestar([record], lifespan=[pooled], openapi_config=None, logging_config=None)
    _serve(_config(app), place)


def stock(url: str, place: Path, folder: Path) -> None:  # noqa: ARG001
    """FastAPI over the stock library's application and PostgreSQL recorder: load, decide, append, answer."""
    from eventsourcing.application import Application
    from eventsourcing.domain import Aggregate, event
    from fastapi import FastAPI, Header, HTTPException
    from pydantic import BaseModel

    from domain.ids import uuid7

    class Pathway(Aggregate):
        @event("Opened")
        def __init__(self) -> None:
            self.contacts: list[dict[str, Any]] = []

        @event("ContactRecorded")
        def record_contact(self, contact_id: str, channel: str, reached: bool, note: str) -> None:
            self.contacts.append({"id": contact_id, "channel": channel, "reached": reached, "note": note})

    class Contact(BaseModel):
        channel: str
        reached: bool
        note: str

    parts = urlsplit(url)
    os.environ |= {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": parts.path.removeprefix("/"),
        "POSTGRES_HOST": parse_qs(parts.query)["host"][0],
        "POSTGRES_PORT": "5432",
        "POSTGRES_USER": parts.username or "",
        "POSTGRES_PASSWORD": "",
        "POSTGRES_POOL_SIZE": str(POOL_SIZE),
    }
    pathways: Application[UUID] = Application()
    known = sha256(KEY.encode()).digest()
    app = FastAPI(openapi_url=None)

    @app.post("/v1/pathways", status_code=201)
    def open_pathway() -> dict[str, str]:
        pathway = Pathway()
        pathways.save(pathway)
        return {"id": str(pathway.id)}

    @app.post("/v1/pathways/{pathway_id}/contacts", status_code=201)
    def record(pathway_id: UUID, contact: Contact, authorization: Annotated[str, Header()]) -> dict[str, str]:
        if sha256(authorization.removeprefix("Bearer ").encode()).digest() != known:
            raise HTTPException(401)
        pathway: Pathway = pathways.repository.get(pathway_id)
        contact_id = str(uuid7())
        pathway.record_contact(contact_id, contact.channel, contact.reached, contact.note)
        pathways.save(pathway)
        return {"id": contact_id}

    _serve(_config(app), place)


def _config(app: Any) -> uvicorn.Config:
    return uvicorn.Config(app, loop="uvloop", http="httptools", ws="none", log_config=None, access_log=False)


def _serve(config: uvicorn.Config, place: Path) -> None:
    from api.server import Server, listen_on_file

    def announce() -> None:
        sys.stdout.write("ready\n")
        sys.stdout.flush()

    server = Server(config, asyncio.Event(), announce)
    signal.signal(signal.SIGTERM, lambda *_: server.stop())
    server.run(sockets=[listen_on_file(place)])


SERVERS = {
    "unisson": unisson,
    "streaming": streaming,
    "notifying": notifying,
    "limited": limited,
    "bare": bare,
    "stock": stock,
}

if __name__ == "__main__":
    name, url, place, folder = sys.argv[1:]
    SERVERS[name](url, Path(place), Path(folder))
