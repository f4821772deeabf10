"""Prometheus metrics of this process. No label names an agency, a pathway or a person.

Served without a key: let only the scraper reach it, at the proxy or by binding to a private address.
"""

import time
from functools import lru_cache
from typing import Any

from litestar import Router, get
from litestar.enums import ScopeType
from litestar.response.base import ASGIResponse
from litestar.types import Scope
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, Histogram, generate_latest

from api.request import ApiRequest
from api.runtime import Runtime
from projections.consumers import consumer_statuses

REQUESTS = Counter("unisson_http_requests_total", "Requests answered.", ["method", "route", "status"])
SECONDS = Histogram(
    "unisson_http_request_seconds",
    "Time from the key to the first byte of the answer.",
    ["method", "route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 30),
)
PRESENT = Gauge("unisson_http_requests_in_flight", "Requests being answered.")
STREAMS = Gauge("unisson_streams_open", "Readers of the stream.")
HEAD = Gauge("unisson_log_position", "Last position of each territory's log.", ["territory"])
LAG = Gauge("unisson_projection_lag_events", "Events not yet folded.", ["territory", "projection"])
LAG_SECONDS = Gauge("unisson_projection_lag_seconds", "Age of the oldest such event.", ["territory", "projection"])
PARKED = Gauge("unisson_projection_parked_events", "Events set aside.", ["territory", "projection"])


@lru_cache(maxsize=4096)
def _series(method: str, route: str, status: int) -> tuple[Any, Any]:
    return REQUESTS.labels(method, route, str(status)), SECONDS.labels(method, route)


def observe(scope: Scope, status: int) -> None:
    """Count an answer under its route's template, never under the address asked for."""
    assert scope["type"] == ScopeType.HTTP
    requests, seconds = _series(scope["method"], scope.get("path_template") or "(none)", status)
    requests.inc()
    began = scope["state"].get("began")
    if began is not None:
        seconds.observe(time.perf_counter() - began)


@get("/metrics", name="metrics", include_in_schema=False)
async def metrics(request: ApiRequest) -> ASGIResponse:
    """What Prometheus scrapes, a second old at most."""
    runtime = request.runtime
    body = await runtime.metrics.get(lambda: scrape(runtime))
    return ASGIResponse(body=body, media_type=CONTENT_TYPE_LATEST)


async def scrape(runtime: Runtime) -> bytes:
    PRESENT.set(runtime.crowd.present)
    STREAMS.set(runtime.streams.open_now)
    for status in await consumer_statuses(runtime.pool, runtime.log, runtime.clock):
        HEAD.labels(status.territory).set(status.head)
        labels = (status.territory, status.projection)
        LAG.labels(*labels).set(status.lag_events)
        LAG_SECONDS.labels(*labels).set(status.lag_seconds)
        PARKED.labels(*labels).set(status.parked)
    return generate_latest()


routes = Router("/", route_handlers=[metrics])
