"""Rules over HTTP: read by all, drafted, published and retired by keys that may steer; refusals say where and why."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from application.access import USUAL_SCOPES, Scope
from domain.rulebook import Difference
from tests.support.rulebooks import backtest, document
from tests.support.service import CCAS, TERRITORY, Agency, Service, running

STEERING = frozenset(Scope)
LEAD = "departement-34"
RULE = document()


@pytest.fixture
async def service(database_url: str, tmp_path: Path) -> AsyncIterator[Service]:
    async with running(database_url, tmp_path) as service:
        yield service


@pytest.fixture
async def lead(service: Service) -> Agency:
    return await service.agency(LEAD, scopes=STEERING)


@pytest.fixture
async def ccas(service: Service) -> Agency:
    return await service.agency(CCAS)


async def drafted(lead: Agency, rule: dict[str, Any] = RULE, **headers: str) -> str:
    """The address of the version."""
    answer = await lead.command("/v1/rules", {"document": rule}, **headers)
    assert answer.status_code == 201, answer.text
    return str(answer.headers["location"])


async def tried(service: Service, rule: dict[str, Any] = RULE, difference: Difference | None = None) -> None:
    await service.runtime.rulebooks.record_backtest(
        TERRITORY, rule["rule"], rule["version"], backtest(rule, difference=difference), by=LEAD
    )


async def states(agency: Agency, position: int | str = 0) -> dict[str, str]:
    rules = (await agency.get("/v1/rules", params={"at_least": position})).json()["items"]
    return {f"{rule['rule']}@{rule['version']}": rule["state"] for rule in rules}


def must_refuse(answer: httpx2.Response, status: int, code: str, pointer: str | None = None) -> None:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    if pointer is not None:
        assert [fault["pointer"] for fault in answer.json()["errors"]] == [pointer]


async def test_a_rule_goes_from_draft_to_shadow_to_active_to_retired(
    service: Service, lead: Agency, ccas: Agency
) -> None:
    place = await drafted(lead)
    assert place == "/v1/rules/silence-30-days/versions/1"
    await tried(service)
    seen = [(await ccas.get(place)).json()["state"]]
    for path, body in (
        ("/versions/1/publications", {"to": "shadow"}),
        ("/versions/1/publications", {"to": "active"}),
        ("/retirements", {}),
    ):
        answer = await lead.command(f"/v1/rules/silence-30-days{path}", body)
        assert answer.status_code == 200, answer.text
        shown = await states(ccas, answer.headers["x-position"])
        seen.append(shown["silence-30-days@1"])
    assert seen == ["draft", "shadow", "active", "retired"]


async def test_the_products_rules_are_listed_before_anything_is_drafted(ccas: Agency) -> None:
    rules = (await ccas.get("/v1/rules")).json()
    assert rules["items"]
    assert all(rule["shipped"] and rule["state"] in {"active", "shadow"} for rule in rules["items"])
    one = (await ccas.get("/v1/rules/silence-90/versions/1")).json()
    assert one["document"]["gap"] == "90d"


async def test_a_version_is_read_with_its_document_and_backtests(service: Service, lead: Agency, ccas: Agency) -> None:
    place = await drafted(lead)
    await tried(service, difference=Difference(against=None, new=1, gone=2, same=3))
    answer = await ccas.get(place)
    rule = answer.json()
    assert rule["document"] == RULE
    assert (rule["shipped"], rule["effective_from"], rule["kind"]) == (False, "2026-03-09", "silence")
    assert rule["backtests"][0]["difference"] == {"against": None, "new": 1, "gone": 2, "same": 3}
    assert rule["backtests"][0]["digest"] == rule["digest"]
    assert answer.headers["etag"] == '"v3"'


async def test_rules_are_listed_page_by_page_and_by_state(lead: Agency, ccas: Agency) -> None:
    for slug in ("a", "b", "c"):
        position = (await lead.command("/v1/rules", {"document": document(slug)})).headers["x-position"]
    first = await ccas.get("/v1/rules", params={"state": "draft", "limit": 2, "at_least": position})
    last = await ccas.get(first.links["next"]["url"])
    listed = [rule["rule"] for page in (first, last) for rule in page.json()["items"]]
    assert listed == ["a", "b", "c"]
    assert last.json()["next"] is None
    must_refuse(
        await ccas.get("/v1/rules", params={"cursor": first.json()["next"], "state": "active"}), 400, "invalid_cursor"
    )


async def test_pages_hold_the_product_s_rules_and_the_territory_s_together(lead: Agency, ccas: Agency) -> None:
    shipped = [rule["rule"] for rule in (await ccas.get("/v1/rules")).json()["items"]]
    own = [document("a"), document("z"), document(shipped[0], 2), document("b", 2), document("b", 3)]
    for rule in own:
        await lead.command("/v1/rules", {"document": rule})
    retired = await lead.command(f"/v1/rules/{shipped[1]}/retirements", {})
    expected = sorted([(slug, 1) for slug in shipped] + [(rule["rule"], rule["version"]) for rule in own])
    for limit in (1, 2, 5, 200):
        seen, page = [], "/v1/rules?limit=" + str(limit) + "&at_least=" + retired.headers["x-position"]
        while page:
            answer = await ccas.get(page)
            seen += [(rule["rule"], rule["version"]) for rule in answer.json()["items"]]
            page = answer.links.get("next", {}).get("url", "")
        assert seen == expected
    gone = (await ccas.get("/v1/rules", params={"state": "retired", "limit": 1})).json()["items"]
    assert [rule["rule"] for rule in gone] == [shipped[1]]


async def test_every_version_of_a_rule_is_read_together(service: Service, lead: Agency, ccas: Agency) -> None:
    second = document("silence-90", 2)
    position = (await lead.command("/v1/rules", {"document": second})).headers["x-position"]
    found = await ccas.get("/v1/rules/silence-90", params={"at_least": position})
    assert [(rule["version"], rule["state"]) for rule in found.json()["items"]] == [(1, "active"), (2, "draft")]
    for path in ("/v1/rules/nothing", "/v1/rules/silence-90/versions/9", "/v1/rules/%00/versions/1"):
        must_refuse(await ccas.get(path), 404, "unknown_rule")


# Who may.


async def test_a_usual_key_reads_and_lints_and_does_not_steer(service: Service, ccas: Agency) -> None:
    assert Scope.STEER not in USUAL_SCOPES
    assert (await ccas.get("/v1/me")).json()["scopes"] == ["manage", "read", "write"]
    assert (await ccas.command("/v1/rules/lint", {"document": RULE})).status_code == 200
    before = await states(ccas)
    for path, body in (
        ("/v1/rules", {"document": RULE}),
        ("/v1/rules/silence-90/versions/1/publications", {"to": "active"}),
        ("/v1/rules/silence-90/retirements", {}),
        ("/v1/rules/silence-90/withdrawals", {"version": 1}),
    ):
        must_refuse(await ccas.command(path, body), 403, "scope_required")
    assert await states(ccas) == before


async def test_the_past_is_changed_by_two_persons(service: Service, lead: Agency) -> None:
    rule = document(effective={"from": "2026-01-01"})
    publications = f"{await drafted(lead, rule, X_Agent='agent-1')}/publications"
    await tried(service, rule)
    must_refuse(await lead.command(publications, {"to": "active"}, X_Agent="agent-2"), 409, "difference_required")
    await tried(service, rule, Difference(against=None, new=5, gone=0, same=0))
    for agent in ({"X_Agent": "agent-1"}, {}):
        must_refuse(await lead.command(publications, {"to": "active"}, **agent), 409, "second_person_required")
    assert (await lead.command(publications, {"to": "active"}, X_Agent="agent-2")).json()["state"] == "active"


# Refusals.


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"kind": "magic"}, "/document/kind"),
        ({"rule": "Not a slug"}, "/document/rule"),
        ({"of": {"on": "contact", "where": {"state": {"like": "x"}}}}, "/document/of/where/state/like"),
        ({"gap": "__import__('os')"}, "/document/gap"),
        ({"inhibited_by": ["silence-30-days"]}, "/document/inhibited_by"),
        ({"effective": {"from": "2026-02-01", "to": "2026-01-01"}}, "/document/effective"),
        ({"of": {"on": "contact", "where": {"count": 10**25}}}, "/document/of/where/count"),
    ],
)
async def test_a_document_that_is_no_rule_is_refused_with_its_place(
    lead: Agency, changes: dict[str, Any], pointer: str
) -> None:
    before = await states(lead)
    for path in ("/v1/rules", "/v1/rules/lint"):
        must_refuse(await lead.command(path, {"document": document(**changes)}), 422, "rule_invalid", pointer)
    assert await states(lead) == before


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("fr", "/document/gpa : « gpa » n'est pas connu ici. Vouliez-vous écrire « gap » ?"),
        ("en", "/document/gpa: `gpa` is not known here. Did you mean `gap`?"),
    ],
)
async def test_what_is_wrong_with_a_document_is_told_in_the_reader_s_language(
    lead: Agency, language: str, said: str
) -> None:
    for path in ("/v1/rules", "/v1/rules/lint"):
        refused = await lead.command(path, {"document": document(gpa="9d")}, Accept_Language=language)
        assert refused.json()["detail"] == said
        assert [fault["message"] for fault in refused.json()["errors"]] == [said]


async def test_an_empty_document_is_refused(lead: Agency) -> None:
    must_refuse(await lead.command("/v1/rules", {"document": {}}), 422, "rule_invalid", "/document")


async def test_a_document_of_too_many_rules_is_refused_before_any_is_read(lead: Agency) -> None:
    many = {"rules": [{"rule": f"rule-{number}"} for number in range(101)]}
    sent = {"document": many}
    for path, body in (
        ("/v1/rules", sent),
        ("/v1/rules/lint", sent),
        ("/v1/rules/backtests", sent),
        ("/v1/rule-evaluations", sent | {"facts": [], "now": "2026-03-01T00:00:00Z"}),
    ):
        must_refuse(await lead.command(path, body), 422, "too_many_rules", "/document/rules")


async def test_a_key_of_a_document_is_not_sent_back_whole(lead: Agency) -> None:
    refused = await lead.command("/v1/rules/lint", {"document": document() | {"y" * 200_000: 1}})
    must_refuse(refused, 422, "rule_invalid", f"/document/{'y' * 100}…")
    assert len(refused.content) < 2_000


async def test_a_document_of_a_megabyte_is_refused(lead: Agency) -> None:
    long = document(text={"fr": "x" * 1_000_000})
    must_refuse(await lead.command("/v1/rules", {"document": long}), 413, "body_too_large")


async def test_publishing_twice_another_document_or_the_untried_is_refused(service: Service, lead: Agency) -> None:
    publications = f"{await drafted(lead)}/publications"
    must_refuse(await lead.command(publications, {"to": "active"}), 409, "backtest_required")
    await tried(service)
    assert (await lead.command(publications, {"to": "active"})).status_code == 200
    must_refuse(await lead.command(publications, {"to": "active"}), 409, "already_published")
    must_refuse(await lead.command("/v1/rules", {"document": document(gap="31d")}), 409, "version_immutable")
    must_refuse(await lead.command("/v1/rules/nothing/versions/1/publications", {"to": "active"}), 404, "unknown_rule")
    must_refuse(await lead.command(publications, {"to": "draft"}), 422, "invalid_body", "/to")


async def test_rules_that_hide_each_other_are_linted_out(lead: Agency) -> None:
    circle = {"rules": [document("a", inhibited_by=["b"]), document("b", inhibited_by=["a"])]}
    must_refuse(await lead.command("/v1/rules/lint", {"document": circle}), 422, "rule_invalid")


async def test_lint_remarks_on_what_is_doubtful_and_keeps_nothing(lead: Agency) -> None:
    elsewhere = {"owner": "$when.agency", "watch": ["nobody-here"]}
    doubtful = document("silence-120-days", gap="120d", inhibited_by=["nothing"], territory="FR-30", route=elsewhere)
    linted = (await lead.command("/v1/rules/lint", {"document": doubtful})).json()
    [rule] = linted["rules"]
    assert (rule["rule"], rule["version"]) == ("silence-120-days", 1)
    assert "120 jours" in rule["sentence"]["fr"]
    assert "120 days" in rule["sentence"]["en"]
    codes = [remark["code"] for remark in linted["remarks"]]
    assert codes == ["elsewhere", "subsumed", "unknown_agency", "unknown_inhibitor"]
    assert "silence-120-days@1" not in await states(lead)


# Sent again.


async def test_the_same_request_again_is_answered_the_same_and_done_once(service: Service, lead: Agency) -> None:
    place = await drafted(lead)
    await tried(service)
    first, again = [
        await lead.command(f"{place}/publications", {"to": "active"}, Idempotency_Key="once") for _ in range(2)
    ]
    assert again.json() == first.json()
    assert again.headers["idempotency-replayed"] == "true"
    other = await lead.command(f"{place}/publications", {"to": "shadow"}, Idempotency_Key="once")
    must_refuse(other, 422, "idempotency_key_reused")
    assert [event.topic for event in await service.runtime.log.headers(TERRITORY, after=0)] == [
        "rulebook.opened",
        "rulebook.rule-drafted",
        "rulebook.rule-backtested",
        "rulebook.rule-activated",
    ]


async def test_a_rulebook_that_changed_in_between_is_refused_to_whoever_asks_for_that(lead: Agency) -> None:
    place = await drafted(lead)
    seen = (await lead.get(place)).headers["etag"]
    await drafted(lead, document("b"))
    stale = await lead.command("/v1/rules/silence-30-days/withdrawals", {"version": 1}, If_Match=seen)
    must_refuse(stale, 412, "stale_version")
    current = (await lead.get(place)).headers["etag"]
    done = await lead.command("/v1/rules/silence-30-days/withdrawals", {"version": 1}, If_Match=current)
    assert done.json()["state"] is None


async def test_the_obligations_of_a_pathway_are_judged_by_the_rules_of_the_territory(
    service: Service, lead: Agency, ccas: Agency
) -> None:
    rule = document(effective={"from": "2026-03-02"})
    place = await drafted(lead, rule)
    await tried(service, rule)
    pathway = await ccas.opened()
    for expected in (False, True):
        items = (await ccas.get(f"{pathway}/obligations")).json()["items"]
        assert ("silence-30-days" in [each["rule"] for each in items]) is expected
        await lead.command(f"{place}/publications", {"to": "active"})


async def test_what_a_rule_in_shadow_finds_says_so(service: Service, lead: Agency, ccas: Agency) -> None:
    rule = document(effective={"from": "2026-03-02"})
    place = await drafted(lead, rule)
    await tried(service, rule)
    pathway = await ccas.opened()
    for to, shadow in (("shadow", True), ("active", False)):
        await lead.command(f"{place}/publications", {"to": to})
        items = (await ccas.get(f"{pathway}/obligations")).json()["items"]
        assert [each["shadow"] for each in items if each["rule"] == "silence-30-days"] == [shadow]
