"""Folded pathways, kept while they are in use: an event then costs its own opening only. Bounded; nothing is stored."""

from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from application.event_log import EventLog, Stored
from domain.access_log import ACCESS_TOPICS
from domain.aggregate import Created
from domain.alert_topics import ALERT_TOPICS
from domain.erasure import ErasedCreation
from domain.membership import MEMBER_TOPICS
from domain.pathway import Pathway
from projections.alert_folds import AlertFolds
from projections.projection import Page, Standing, Step, erased_by, standing_of

EVENTS_KEPT_MAX = 50_000
PATHWAY = "domain.pathway:Pathway"
NOT_OF_PATHWAYS = ALERT_TOPICS | MEMBER_TOPICS | ACCESS_TOPICS


class PathwayFolds:
    """The pathways of one territory as they stood at the position last folded.

    `skipped` are positions left out of every fold: events that somebody decided to pass over.
    """

    def __init__(
        self,
        log: EventLog,
        territory: str,
        *,
        events_kept_max: int = EVENTS_KEPT_MAX,
        skipped: Collection[int] = (),
    ) -> None:
        self._log = log
        self._territory = territory
        self._pathways: OrderedDict[UUID, Pathway] = OrderedDict()
        self._standings: dict[UUID, Standing] = {}  # Of pathways not changed since.
        self._events_kept = 0
        self._events_kept_max = events_kept_max
        self._skipped = frozenset(skipped)
        self._alerts = AlertFolds(log, territory, skipped=self._skipped)

    async def page(self, events: Sequence[Stored], *, steps: bool, until: datetime | None = None) -> Page:
        """Fold the next events of the log. Whatever fails, no half-folded pathway is kept."""
        mine = [stored for stored in events if _is_of_pathway(stored)]
        await self._load_behind(mine)
        touched: dict[UUID, Pathway] = {}
        history: dict[UUID, list[Step]] = {}
        before: dict[UUID, Standing] = {}
        try:
            for stored in mine:
                stream_id = stored.event.originator_id
                if steps and stream_id not in touched and stream_id in self._pathways:
                    before[stream_id] = self._standing(stream_id, stored.position - 1)
                pathway = self._fold(stored)
                if pathway is None:
                    continue
                touched[pathway.id] = pathway
                if steps:
                    standing = self._standing(pathway.id, stored.position)
                    history.setdefault(pathway.id, []).append(Step(stored, standing))
        except Exception:
            self.forget({stored.event.originator_id for stored in mine})
            raise
        self._bound(touched)
        alerts = await self._alerts.fold(events)
        return Page(
            territory=self._territory,
            events=events,
            pathways=touched,
            alerts=alerts,
            steps=history,
            before=before,
            replay=not steps,
            erased=erased_by(events),
            until=until,
        )

    async def standings(self, pathway_ids: Iterable[UUID], position: int) -> dict[UUID, Standing]:
        """How pathways stand at the position last folded."""
        ids = list(pathway_ids)
        await self._load({pathway_id: 0 for pathway_id in ids if pathway_id not in self._pathways}, position)
        return {pathway_id: self._standing(pathway_id, position) for pathway_id in ids if pathway_id in self._pathways}

    def _standing(self, pathway_id: UUID, position: int) -> Standing:
        standing = self._standings.get(pathway_id)
        if standing is None:
            standing = self._standings[pathway_id] = standing_of(self._pathways[pathway_id], position)
        return standing

    def forget(self, pathway_ids: Iterable[UUID]) -> None:
        for pathway_id in pathway_ids:
            pathway = self._pathways.pop(pathway_id, None)
            self._events_kept -= 0 if pathway is None else pathway.version
            self._standings.pop(pathway_id, None)

    def _fold(self, stored: Stored) -> Pathway | None:
        event = stored.event
        pathway = self._pathways.get(event.originator_id)
        self._standings.pop(event.originator_id, None)
        if stored.position in self._skipped:
            if pathway is not None:
                pathway.version = event.originator_version
            return pathway
        if pathway is None and not is_opening(stored):
            return None
        folded = event.mutate(pathway)
        assert isinstance(folded, Pathway)
        self._pathways[folded.id] = folded
        self._pathways.move_to_end(folded.id)
        self._events_kept += 1
        return folded

    async def _load_behind(self, events: Sequence[Stored]) -> None:
        """Load what these events continue and what is not here as it stood just before them."""
        first: dict[UUID, Stored] = {}
        for stored in events:
            first.setdefault(stored.event.originator_id, stored)
        missing: dict[UUID, int] = {}
        for stream_id, stored in first.items():
            known = self._pathways.get(stream_id)
            version_before = stored.event.originator_version - 1
            if known is not None and known.version != version_before:
                self.forget([stream_id])
                known = None
            if known is None and version_before > 0:
                missing[stream_id] = version_before
        if missing:
            await self._load(missing, max(stored.position for stored in first.values()) - 1)

    async def _load(self, until_version: Mapping[UUID, int], until_position: int) -> None:
        """Fold these streams up to a version each; all that is stored up to the position when it is 0."""
        if not until_version:
            return
        ids = list(until_version)
        streams = await self._log.read_streams(self._territory, ids, until_position=until_position)
        try:
            for stream_id, history in streams.items():
                if not is_opening(history[0]):
                    continue
                last = until_version[stream_id]
                for stored in history:
                    if not last or stored.event.originator_version <= last:
                        self._fold(stored)
        except Exception:
            self.forget(streams)  # Else the next to ask would take what is half folded for the whole.
            raise
        self._bound(frozenset(streams))

    def _bound(self, in_use: Collection[UUID]) -> None:
        """Let go of what was used least recently, but never of what the present page holds."""
        while self._events_kept > self._events_kept_max:
            oldest = next(iter(self._pathways))
            if oldest in in_use:
                return
            self.forget([oldest])


def is_opening(stored: Stored) -> bool:
    """The first event of a pathway, erased or not."""
    event = stored.event
    return isinstance(event, ErasedCreation | Created) and event.originator_topic == PATHWAY


def _is_of_pathway(stored: Stored) -> bool:
    return stored.subject is not None and stored.topic not in NOT_OF_PATHWAYS
