"""Reading one's own writes: wait until a projection shows what the client knows was recorded."""

from collections.abc import Sequence

from api.conditions import preferences
from api.request import ApiRequest
from projections.consumers import folded_position

USUAL_WAIT_SECONDS = 2.0


async def shown(request: ApiRequest, projections: Sequence[str], at_least: int | None) -> dict[str, str]:
    """Wait as the client asks: up to a position, or with `Prefer: wait` alone up to the head. Headers of the answer.

    When the time is over the answer is given all the same, with how many events it does not show.
    """
    wait_seconds = preferences(request).wait_seconds
    if at_least is None and wait_seconds is None:
        return {}
    runtime, territory = request.runtime, request.user.territory
    wanted = await runtime.log.head(territory) if at_least is None else at_least
    patience = min(USUAL_WAIT_SECONDS if wait_seconds is None else wait_seconds, runtime.limits.wait_seconds)
    headers = {} if wait_seconds is None else {"Preference-Applied": f"wait={wait_seconds:g}"}
    if not await runtime.follower.caught_up(territory, wanted, patience, list(projections)):
        position = await folded_position(runtime.pool, territory, list(projections))
        headers["X-Projection-Lag"] = str(max(wanted, await runtime.log.head(territory)) - position)
    return headers
