"""Responses to an alert over HTTP: acknowledge it, answer it, put it aside, take it up again, dispute it."""

from typing import Any
from uuid import UUID

import msgspec
from litestar import Router, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from api.bodies import BodyReader
from api.conditions import etag, fingerprint, idempotency_key, if_match
from api.described import described
from api.replies import Reply, reply
from api.request import ApiRequest, correlation_id
from application.alert_answers import AlertOrder, AlertReceipt
from application.event_log import StaleVersion
from application.key_vault import KeyRestricted
from domain.alert_commands import Acknowledge, AlertCommand, AnswerAlert, Dispute, Resume, Snooze, Waive
from domain.alert_refusals import (
    AlertOver,
    AlreadyTaken,
    NothingPutAside,
    NoticeOnly,
    NotInTheFuture,
    OtherRevision,
    ReasonNeeded,
    RightEnded,
    SaidTooMuch,
    TooFar,
    UnknownAlert,
)
from domain.errors import DomainError


class AlertChanged(msgspec.Struct, kw_only=True):
    """What was said of an alert is durable. Once it is on the board, `at_least` this position shows it."""

    alert_id: UUID
    version: int
    position: int


class ResponseSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One way to respond to an alert."""

    name: str
    path: str
    body: type[AlertCommand]
    summary_fr: str
    refusals: tuple[type[DomainError], ...]


ALWAYS = (UnknownAlert, AlertOver, OtherRevision, RightEnded, SaidTooMuch, StaleVersion, KeyRestricted)
UNTIL = (NotInTheFuture, TooFar)
RESPONSES = (
    ResponseSpec(
        name="acknowledge-alert",
        path="/{alert_id:uuid}/acknowledgements",
        body=Acknowledge,
        summary_fr="Prendre acte d'une alerte",
        refusals=UNTIL,
    ),
    ResponseSpec(
        name="answer-alert",
        path="/{alert_id:uuid}/answers",
        body=AnswerAlert,
        summary_fr="Dire ce que l'on fait d'une alerte : la prendre, venir en appui, ou n'être pas concerné",
        refusals=(AlreadyTaken, ReasonNeeded),
    ),
    ResponseSpec(
        name="waive-alert",
        path="/{alert_id:uuid}/waivers",
        body=Waive,
        summary_fr="Justifier, jusqu'à une date, que rien ne soit fait",
        refusals=(NoticeOnly, *UNTIL),
    ),
    ResponseSpec(
        name="snooze-alert",
        path="/{alert_id:uuid}/snoozes",
        body=Snooze,
        summary_fr="Mettre une alerte de côté pour son service, jusqu'à une date",
        refusals=UNTIL,
    ),
    ResponseSpec(
        name="resume-alert",
        path="/{alert_id:uuid}/resumptions",
        body=Resume,
        summary_fr="Reprendre une alerte mise de côté, ou mettre fin à une dérogation",
        refusals=(NothingPutAside, NoticeOnly),
    ),
    ResponseSpec(
        name="dispute-alert",
        path="/{alert_id:uuid}/disputes",
        body=Dispute,
        summary_fr="Dire qu'une alerte est erronée, et pourquoi",
        refusals=(NoticeOnly,),
    ),
)


def order(request: ApiRequest, command: AlertCommand, raw: bytes) -> AlertOrder:
    """The command, in the caller's name, with the conditions that the headers set."""
    return AlertOrder(
        caller=request.user,
        command=command,
        idempotency_key=idempotency_key(request),
        fingerprint=fingerprint(request, raw),
        if_match=if_match(request),
        correlation_id=correlation_id(request.scope),
    )


def answer(receipt: AlertReceipt) -> Reply:
    headers = {"ETag": etag(receipt.version), "X-Position": str(receipt.position)}
    if receipt.replayed:
        headers["Idempotency-Replayed"] = "true"
    changed = AlertChanged(alert_id=receipt.alert_id, version=receipt.version, position=receipt.position)
    return reply(changed, headers=headers)


def response_route(spec: ResponseSpec) -> HTTPRouteHandler:
    reader = BodyReader(spec.body)

    async def respond(request: ApiRequest, alert_id: FromPath[UUID]) -> Reply:
        body, raw = await reader.read(request)
        return answer(await request.runtime.alert_desk.answer(alert_id, order(request, body, raw)))

    return post(spec.path, name=spec.name, status_code=200, opt=_options(spec))(respond)


def _options(spec: ResponseSpec) -> dict[str, Any]:
    return described(
        answer=AlertChanged,
        body=spec.body,
        repeatable=True,
        versioned=True,
        refusals=(*ALWAYS, *spec.refusals),
        summary=(spec.body.__doc__ or "").strip().partition("\n")[0].removesuffix("."),
        summary_fr=spec.summary_fr,
    )


routes = Router("/alerts", route_handlers=[response_route(spec) for spec in RESPONSES], tags=["alerts"])
