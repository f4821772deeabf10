"""An agency's appointments for calendar programs: iCalendar (RFC 5545), at an address that is its own credential.

The address stands in no log and no metric, and is repeated by no answer.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta, tzinfo
from functools import partial
from hashlib import sha256

import msgspec
from icalendar import Calendar, Event
from litestar import Router, get
from litestar.params import FromPath

from api.conditions import is_unchanged
from api.replies import Reply, nothing
from api.request import ApiRequest
from application.calendar_feeds import Appointment, Language, UnknownFeed
from application.sight import Sight
from domain.appointment import AppointmentOutcome
from domain.ids import uuid8_of
from infrastructure.row_security import reading
from projections.appointment_book import RETRACTED, appointments_of

MEDIA_TYPE = b"text/calendar; charset=utf-8"
SUFFIX = ".ics"
PRODUCT = "-//Unisson//Unisson//FR"
REFRESH = timedelta(hours=1)
BEHIND, AHEAD = timedelta(days=60), timedelta(days=365)
EVENTS_MAX = 2_000
SUMMARIES = {Language.FR: "Rendez-vous {reference}", Language.EN: "Appointment {reference}"}
OFF = frozenset({AppointmentOutcome.CANCELLED, AppointmentOutcome.EXCUSED, RETRACTED})


@get("/{file_name:str}", name="read-calendar")
async def read_calendar(request: ApiRequest, file_name: FromPath[str]) -> Reply:
    """Read the appointments that an address was made for, as far as they may be seen now."""
    if not file_name.endswith(SUFFIX):
        raise UnknownFeed
    runtime = request.runtime
    feed, now = await runtime.calendar_feeds.identify(file_name.removesuffix(SUFFIX)), runtime.clock.now()
    async with reading(runtime.pool, Sight(territory=feed.territory, at=now, agency=feed.agency)) as db:
        found = await appointments_of(db, feed, since=now - BEHIND, until=now + AHEAD, limit=EVENTS_MAX)
    zone = runtime.calendars.of(feed.territory).tz
    key = sha256(msgspec.json.encode((str(zone), feed.language, found))).digest()
    body = await runtime.drawn_calendars.of(key, partial(as_calendar, feed.language, found, zone))
    headers = {"ETag": f'"{sha256(body).hexdigest()[:32]}"', "Cache-Control": "private, no-cache"}
    if is_unchanged(request, headers["ETag"]):
        return nothing(status=304, headers=headers)
    return Reply(body, 200, headers, MEDIA_TYPE)


def as_calendar(language: Language, appointments: Sequence[Appointment], zone: tzinfo) -> bytes:
    """The same appointments give the same bytes."""
    calendar = Calendar()
    calendar.add("prodid", PRODUCT)
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    calendar.add("name", "Unisson")
    calendar.add("refresh-interval", REFRESH, parameters={"VALUE": "DURATION"})
    for appointment in appointments:
        calendar.add_component(_event(language, appointment, zone))
    if appointments:
        days = [_local_day(appointment.start_at, zone) for appointment in appointments]
        first, last = date(min(days).year, 1, 1), date(max(days).year + 1, 1, 1)
        calendar.add_missing_timezones(first_date=first, last_date=last)
    return bytes(calendar.to_ical())


def _event(language: Language, appointment: Appointment, zone: tzinfo) -> Event:
    """Its identity stays the same whatever happens to it, and tells nothing of the person."""
    is_off = appointment.status in OFF
    event = Event()
    event.add("uid", str(uuid8_of("calendar", str(appointment.pathway), str(appointment.appointment))))
    event.add("sequence", appointment.sequence)
    event.add("dtstamp", appointment.changed_at)
    event.add("dtstart", appointment.start_at.astimezone(zone))
    event.add("dtend", appointment.end_at.astimezone(zone))
    event.add("summary", SUMMARIES[language].format(reference=appointment.reference))
    event.add("status", "CANCELLED" if is_off else "CONFIRMED")
    event.add("transp", "TRANSPARENT" if is_off else "OPAQUE")
    event.add("class", "PRIVATE")
    return event


def _local_day(moment: datetime, zone: tzinfo) -> date:
    return moment.astimezone(zone).date()


routes = Router("/calendar", route_handlers=[read_calendar])
