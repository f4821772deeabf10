"""An alert whose content the caller may see, now: asked of the board, then of the pathway itself."""

from uuid import UUID

from api.alerts import BOARD, coordinates
from api.freshness import shown
from api.reading import reading
from api.request import ApiRequest
from application.key_vault import KeyRestricted
from domain.alert import Sees
from domain.alert_escalation import EscalationLevel
from domain.alert_refusals import UnknownAlert
from domain.pathway import Pathway
from projections.alert_board import AlertRow, alert


async def seen_whole(
    request: ApiRequest, alert_id: UUID, at_least: int | None
) -> tuple[AlertRow, Pathway, dict[str, str]]:
    """With its pathway, and the headers of the answer. Raises UnknownAlert for a bare notice too, KeyRestricted."""
    runtime, caller = request.runtime, request.user
    headers = await shown(request, BOARD, at_least, with_alerts=True)
    async with reading(request) as db:
        row = await alert(db, caller.territory, caller.agency, alert_id, coordinates=coordinates(request))
    if row is None or row.sees is not Sees.CONTENT:
        raise UnknownAlert
    pathway = await runtime.rights.read(caller.territory, row.pathway)
    is_with_coordinators = coordinates(request) and row.level is EscalationLevel.COORDINATOR
    if caller.agency not in pathway.participants and not is_with_coordinators:
        raise UnknownAlert  # No longer: the log knows before any view does.
    if pathway.is_restricted:
        raise KeyRestricted
    return row, pathway, headers
