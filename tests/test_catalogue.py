"""The catalogue of commands: complete, well-formed, and every request limited."""

import inspect
from operator import attrgetter
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from domain.catalogue import ACCESS_COMMANDS, BY_NAME, COMMANDS, OPENING, CommandSpec
from domain.command import Command
from domain.errors import DomainError
from domain.referral import MoveReferral, ReferralStatus
from domain.themes_v1 import NEEDS

ALL = COMMANDS + ACCESS_COMMANDS
SPECS = pytest.mark.parametrize("spec", ALL, ids=lambda spec: spec.name)


def test_every_command_is_in_the_catalogue() -> None:
    declared = {command for command in Command.__subclasses__() if command.__module__.startswith("domain.")}
    assert {spec.command_type for spec in ALL} == declared


def test_names_and_paths_are_unique() -> None:
    assert len(BY_NAME) == len(ALL)
    assert len({spec.path for spec in ALL}) == len(ALL)


@SPECS
def test_a_command_is_described_in_both_languages(spec: CommandSpec) -> None:
    assert spec.summary
    assert spec.summary_fr
    assert inspect.getdoc(spec.command_type)


@SPECS
def test_a_path_names_an_entry_exactly_when_the_command_takes_one(spec: CommandSpec) -> None:
    assert ("{entry_id}" in spec.path) == (spec.entry_field is not None)
    assert spec is OPENING or spec.path.startswith("/")


@SPECS
def test_a_body_refuses_unknown_fields(spec: CommandSpec) -> None:
    with pytest.raises(msgspec.ValidationError, match=r"unknown field|missing required"):
        msgspec.json.decode(b'{"no_such_field": 1}', type=spec.body)
    assert spec.body.__struct_config__.forbid_unknown_fields


@SPECS
def test_every_text_and_list_of_a_body_is_limited(spec: CommandSpec) -> None:
    """No set and no mapping either: a hostile body could make their hashing slow."""
    (_,), components = msgspec.json.schema_components([spec.body])
    for schema in components.values():
        for name, part in schema.get("properties", {}).items():
            for option in _options(part):
                kind = option.get("type")
                assert kind != "object", name
                assert kind != "array" or option.get("maxItems", 51) <= 50, name
                free = kind == "string" and not {"maxLength", "pattern", "format", "enum"} & set(option)
                assert not free, name


def _options(part: dict[str, Any]) -> list[dict[str, Any]]:
    options = part.get("anyOf", [part])
    return [*options, *(option["items"] for option in options if isinstance(option.get("items"), dict))]


def test_the_entry_of_a_moving_command_comes_from_the_path() -> None:
    spec, referral = BY_NAME["move-referral"], uuid4()
    body = msgspec.json.decode(b'{"status": "accepted"}', type=spec.body)
    assert spec.command(body, referral) == MoveReferral(referral_id=referral, status=ReferralStatus.ACCEPTED)
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"status": "accepted", "referral_id": "x"}', type=spec.body)


def test_a_creating_command_is_its_own_body() -> None:
    spec = BY_NAME["record-contact"]
    body = msgspec.json.decode(b'{"channel": "phone"}', type=spec.body)
    assert spec.command(body) is body


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("record-contact", '{"channel": "phone", "note": "a\\u0000b"}'),
        ("record-contact", '{"channel": "phone", "at": "2026-03-01T10:00:00"}'),
        ("record-contact", '{"channel": "phone", "note": ""}'),
        ("assign-referent", '{"to_agency": "Not An Agency"}'),
        ("assign-referent", '{"to_agency": "ccas\\n"}'),
        ("record-diagnosis", '{"replaces": [' + ",".join(['"01900000-0000-7000-8000-000000000002"'] * 51) + "]}"),
        ("open-pathway", '{"given_name": "' + "x" * 201 + '"}'),
    ],
)
def test_a_malformed_body_is_refused(name: str, body: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(body, type=BY_NAME[name].body)


def test_every_need_is_a_well_formed_theme() -> None:
    for theme in NEEDS:
        msgspec.json.decode(
            msgspec.json.encode({"to_agency": "siao-34", "theme": theme}), type=BY_NAME["request-referral"].body
        )


def refusals(of: type[DomainError] = DomainError) -> list[type[DomainError]]:
    known = [*of.__subclasses__()]
    return known + [deeper for refusal in known for deeper in refusals(refusal)]


REFUSALS: list[type[DomainError]] = sorted(set(refusals()), key=attrgetter("code"))


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_refusal_says_what_is_wrong_in_both_languages(refusal: type[DomainError]) -> None:
    assert refusal.title().endswith(".")
    assert refusal.title_fr.endswith(".")
    assert refusal.title_fr != DomainError.title_fr
    assert 400 <= refusal.status < 600
    assert refusal.code != DomainError.code


def test_refusal_codes_are_unique_in_the_domain() -> None:
    codes = [refusal.code for refusal in set(refusals()) if refusal.__module__.startswith("domain.")]
    assert sorted(codes) == sorted(set(codes))
