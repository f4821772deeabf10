"""How a handler reads what is about persons: behind the walls, as whoever calls."""

from contextlib import AbstractAsyncContextManager

from api.request import ApiRequest
from application.sight import sight_of
from infrastructure.database import Database
from infrastructure.row_security import reading as walled


def reading(request: ApiRequest) -> AbstractAsyncContextManager[Database]:
    """A connection on which every query shows what the caller may see, whatever it asks for."""
    return walled(request.runtime.pool, sight_of(request.user, request.runtime.clock.now()))
