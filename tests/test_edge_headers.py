"""What a browser may do with an answer: keep nothing, guess nothing, frame nothing, show nothing to another site."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from api.app import create_app
from api.cors import ASKED
from api.limits import Limits
from api.server import listen_on_file, serving
from domain.clock import SettableClock
from infrastructure.settings import Settings
from tests.support.service import NOW, Service, running

HERE, ELSEWHERE = "https://console.example", "https://evil.example"
PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization, content-type"}
SHARING = "access-control-"


@pytest.fixture
async def service(database_url: str, tmp_path: Path) -> AsyncIterator[Service]:
    async with running(database_url, tmp_path, allowed_origins=HERE) as service:
        yield service


def shared(response: httpx2.Response) -> dict[str, str]:
    return {name: value for name, value in response.headers.items() if name.startswith(SHARING)}


@pytest.mark.parametrize("path", ["/v1/me", "/v1/nothing", "/nowhere", "/health/live", "/metrics", "/v1/pathways/1"])
async def test_every_answer_is_closed_to_browsers_guesses(service: Service, path: str) -> None:
    for client in (await service.agency(), await service.client()):
        headers = (await client.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "private, no-store"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["content-security-policy"].startswith("default-src 'none'; frame-ancestors 'none'")
        assert "camera=()" in headers["permissions-policy"]
        assert "server" not in headers


@pytest.mark.parametrize("path", ["/docs", "/problems", "/problems/not_found"])
async def test_pages_run_nothing_from_elsewhere_and_stand_in_no_frame(service: Service, path: str) -> None:
    answer = await (await service.client({"Accept": "text/html"})).get(path)
    policy = answer.headers["content-security-policy"]
    assert answer.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "http" not in policy
    assert not any(unsafe in policy for unsafe in ("script-src 'self' 'unsafe", "unsafe-eval", "*"))


async def test_a_page_of_another_site_reads_nothing_unless_it_was_named(service: Service) -> None:
    ccas = await service.agency()
    assert shared(await ccas.get("/v1/me")) == {}
    for origin in (ELSEWHERE, "null", HERE + ".evil.example", HERE.upper(), "http://console.example", ""):
        assert shared(await ccas.get("/v1/me", headers={"Origin": origin})) == {}
        asked = await ccas.request("OPTIONS", "/v1/me", headers={"Origin": origin} | PREFLIGHT)
        assert shared(asked) == {}


async def test_a_page_of_a_named_origin_may_ask_with_a_token_and_never_with_a_cookie(service: Service) -> None:
    stranger = await service.client()
    asked = await stranger.request("OPTIONS", "/v1/pathways", headers={"Origin": HERE} | PREFLIGHT)
    assert asked.status_code == 204
    assert asked.headers["access-control-allow-origin"] == HERE
    assert asked.headers["vary"] == "Origin"
    assert asked.headers["access-control-allow-headers"] == ASKED
    ccas = await service.agency()
    for path, status in (("/v1/me", 200), (f"/v1/pathways/{'0' * 8}-0000-7000-8000-{'0' * 12}", 404)):
        answer = await ccas.get(path, headers={"Origin": HERE})
        assert answer.status_code == status
        assert answer.headers["access-control-allow-origin"] == HERE
        assert "Origin" in answer.headers["vary"]
        assert "X-Position" in answer.headers["access-control-expose-headers"]
        assert "access-control-allow-credentials" not in answer.headers
    assert "Accept-Language" in answer.headers["vary"]


async def test_without_the_setting_no_origin_is_named(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path) as service:
        asked = await (await service.client()).request("OPTIONS", "/v1/me", headers={"Origin": HERE} | PREFLIGHT)
        assert asked.status_code == 401
        assert shared(asked) == {}
        assert shared(await (await service.agency()).get("/v1/me", headers={"Origin": HERE})) == {}


@pytest.mark.parametrize(
    ("public_url", "told"), [("https://unisson.example", True), ("http://unisson.example", False), (None, False)]
)
async def test_browsers_are_told_never_to_try_plain_http_where_there_is_https(
    database_url: str, tmp_path: Path, public_url: str | None, *, told: bool
) -> None:
    settings = Settings(data_dir=tmp_path, database_url=database_url, public_url=public_url)
    app = create_app(settings, clock=SettableClock(NOW), limits=Limits())
    transport = httpx2.AsyncHTTPTransport(uds=str(tmp_path / "http"))
    async with (
        serving(app, listen_on_file(tmp_path / "http")),
        httpx2.AsyncClient(transport=transport, base_url="http://test") as client,
    ):
        for answer in (await client.get("/health/live"), await client.get("/nowhere", headers={"x": "y" * 20_000})):
            assert ("strict-transport-security" in answer.headers) is told
        assert answer.status_code == 400  # Refused before the application saw it.
        if told:
            assert answer.headers["strict-transport-security"] == "max-age=31536000; includeSubDomains"
