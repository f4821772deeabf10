"""A client that leaves as soon as the answer begins to come."""

import asyncio
from typing import Any

from litestar import Litestar

from tests.support.service import Agency


async def ask_and_leave(
    app: Litestar, agency: Agency, method: str, path: str, body: bytes = b"", content_type: str = "application/json"
) -> list[bytes]:
    """What was still sent to it."""
    parts: list[bytes] = []
    requests = [{"type": "http.request", "body": body, "more_body": False}]
    gone = asyncio.Event()

    async def receive() -> dict[str, Any]:
        if requests:
            return requests.pop()
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.body":
            parts.append(message["body"])
            gone.set()

    headers = [
        (b"content-type", content_type.encode()),
        (b"authorization", agency.headers["authorization"].encode()),
    ]
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": headers,
        "scheme": "http",
        "server": ("test", 80),
        "client": ("127.0.0.1", 1),
    }
    await app(scope, receive, send)  # type: ignore[arg-type]
    return parts
