"""The whole feed as one file: the same events, to the same readers, as the feed itself."""

import msgspec
from litestar import Router, get
from litestar.response.streaming import ASGIStreamingResponse
from litestar.types import ASGIApp

from api.described import described
from api.event_header import EventHeader
from api.events import lines
from api.queries import Position, QueryReader
from api.replies import NDJSON
from api.request import ApiRequest


class ExportQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    after: Position = 0
    """`next_after` of the last line of an earlier export; 0 for everything."""


EXPORT_QUERY = QueryReader(ExportQuery)


@get("/events.ndjson", name="export-events", opt=described(answer=EventHeader, query=ExportQuery, lines=True))
async def export_events(request: ApiRequest) -> ASGIApp:
    """Export the events of one's pathways, a line each, up to the present.

    The last line, `{"next_after": …}`, says where to go on from. An export cut short has none: go on from the
    `position` of the last whole line.
    """
    after = EXPORT_QUERY.read(request).after
    disposition = {"Content-Disposition": 'attachment; filename="events.ndjson"'}
    return ASGIStreamingResponse(iterator=lines(request, after), media_type=NDJSON, headers=disposition)


routes = Router("/exports", route_handlers=[export_events], tags=["exports"])
