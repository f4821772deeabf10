"""Every route behind the door has its line in the table of rights, and the table names no other."""

from collections.abc import Iterator

import pytest
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler

from api.app import routes
from api.authentication import Door, must_be_able
from api.request import ApiRequest
from application.access import USUAL_SCOPES, Caller, Means, Scope
from application.authorisation import Forbidden
from application.decision_table import Action
from application.route_rights import RIGHTS
from domain.roles import Role


def behind_the_door() -> Iterator[HTTPRouteHandler]:
    app = Litestar(route_handlers=routes(), request_class=ApiRequest, openapi_config=None, logging_config=None)
    for route in app.routes:
        for method, (handler, _) in getattr(route, "route_handler_map", {}).items():
            guarded = any(isinstance(each, Door) for each in handler.resolve_middleware())
            if method != "OPTIONS" and guarded:
                yield handler


def test_each_route_behind_the_door_has_a_right() -> None:
    names = {handler.name for handler in behind_the_door()}
    assert len(names) > 80
    assert names - RIGHTS.keys() == set(), "add them to application/route_rights.py"


def test_no_right_is_of_a_route_that_is_not_there() -> None:
    assert RIGHTS.keys() - {handler.name for handler in behind_the_door()} == set()


def test_a_route_without_a_right_answers_nobody() -> None:
    caller = Caller(territory="FR-34", agency="ccas", scopes=frozenset(Scope))
    with pytest.raises(Forbidden):
        must_be_able(caller, "no-such-route")


@pytest.mark.parametrize(
    ("roles", "route", "may"),
    [
        ({Role.WORKER}, "list-pathways", True),
        ({Role.STEERING}, "list-pathways", False),
        ({Role.INTEGRITY_AUDITOR}, "read-pathway", False),
        ({Role.COORDINATOR}, "read-pathway", True),
        ({Role.COORDINATOR}, "record-contact", False),
        ({Role.DPO}, "record-contact", False),
        (set(), "read-me", True),
        (set(), "list-agencies", False),
    ],
)
def test_a_person_passes_in_their_roles_and_in_nothing_else(roles: set[Role], route: str, *, may: bool) -> None:
    caller = Caller(
        territory="FR-34", agency="ccas", scopes=frozenset(Scope), means=Means.PERSON, roles=frozenset(roles)
    )
    if may:
        must_be_able(caller, route)
    else:
        with pytest.raises(Forbidden):
            must_be_able(caller, route)


def test_an_api_key_never_opens_what_names_a_person() -> None:
    """Not even one that was somehow given every scope."""
    caller = Caller(territory="FR-34", agency="ccas", scopes=frozenset(Scope))
    for route, action in RIGHTS.items():
        if action in {Action.OPEN_IDENTITY, Action.SHARE, Action.BREAK_GLASS, Action.ERASE, Action.MATCH}:
            with pytest.raises(Forbidden):
                must_be_able(caller, route)
    assert Scope.IDENTITY not in USUAL_SCOPES
