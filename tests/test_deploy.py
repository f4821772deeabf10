"""The examples for running it fit what the program does: what a proxy lets through, and what it must not."""

import re
from pathlib import Path

from api.limits import Limits

DEPLOY = Path(__file__).parent.parent / "deploy"
NGINX = (DEPLOY / "nginx.conf").read_text()
UNIT = (DEPLOY / "unisson.service").read_text()
FORGEABLE = ("X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP", "Forwarded")


def test_the_proxy_takes_the_largest_body_and_waits_as_long_as_a_client_may_ask() -> None:
    size = re.search(r"client_max_body_size (\d+)k;", NGINX)
    wait = re.search(r"proxy_read_timeout (\d+)s;", NGINX)
    assert size is not None
    assert wait is not None
    assert int(size[1]) * 1024 >= Limits().batch_bytes
    assert int(wait[1]) > Limits().wait_seconds


def test_the_proxy_passes_on_no_address_that_a_client_wrote() -> None:
    for name in FORGEABLE:
        assert f'proxy_set_header {name} "";' in NGINX


def test_a_key_that_keeps_to_its_quota_is_not_held_up_by_the_proxy() -> None:
    rate = re.search(r"zone=unisson_requests:10m rate=(\d+)r/s", NGINX)
    assert rate is not None
    assert int(rate[1]) >= Limits().requests_per_second


def test_the_proxy_logs_no_query_and_no_whole_address() -> None:
    [logged] = re.findall(r"log_format unisson '([^']+)'", NGINX)
    assert not {"$request", "$request_uri", "$uri", "$args", "$http_referer"} & set(re.findall(r"\$\w+", logged))
    assert "$unisson_logged" in logged


def test_the_service_runs_as_nobody_in_particular_and_leaves_no_core() -> None:
    for line in ("User=unisson", "NoNewPrivileges=yes", "ProtectSystem=strict", "LimitCORE=0", "UMask=0077"):
        assert line in UNIT.splitlines()
