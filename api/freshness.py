"""Reading one's own writes: wait until a projection shows what the client knows was recorded."""

import time
from collections.abc import Sequence

from api.authentication import must_still_be_in
from api.conditions import preferences
from api.request import ApiRequest
from projections.consumers import folded_position
from projections.desynchronisation import Desynchronisation

USUAL_WAIT_SECONDS = 2.0


async def shown(
    request: ApiRequest, projections: Sequence[str], at_least: int | None, *, with_alerts: bool = False
) -> dict[str, str]:
    """Wait as the client asks: up to a position, or with `Prefer: wait` alone up to the head. Headers of the answer.

    `with_alerts`: also for the alerts that follow from what is recorded up to there, which are recorded after it. When
    the time is over the answer is given all the same, with how many events it does not show.
    """
    wait_seconds = preferences(request).wait_seconds
    if at_least is None and wait_seconds is None:
        return {}
    runtime, territory = request.runtime, request.user.territory
    wanted = await runtime.log.head(territory) if at_least is None else at_least
    patience = min(USUAL_WAIT_SECONDS if wait_seconds is None else wait_seconds, runtime.limits.wait_seconds)
    deadline = time.monotonic() + patience
    headers = {} if wait_seconds is None else {"Preference-Applied": f"wait={wait_seconds:g}"}
    if not wanted:
        return headers  # Of nothing, everything is shown, also where nobody has begun to follow.
    if with_alerts:
        await runtime.follower.caught_up(territory, wanted, patience, [Desynchronisation.name])
        wanted = max(wanted, await runtime.log.head(territory))
    if not await runtime.follower.caught_up(territory, wanted, deadline - time.monotonic(), list(projections)):
        position = await folded_position(runtime.pool, territory, list(projections))
        headers["X-Projection-Lag"] = str(max(wanted, await runtime.log.head(territory)) - position)
    await must_still_be_in(request)
    return headers
