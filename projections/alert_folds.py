"""Folded alerts, kept while they are in use, as `pathway_folds` keeps pathways. Bounded; nothing is stored."""

from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence
from uuid import UUID

from application.event_log import EventLog, Stored
from domain.alert import Alert
from domain.alert_topics import ALERT_TOPICS

ALERTS_KEPT_MAX = 5_000


class AlertFolds:
    """The alerts of one territory as they stood at the position last folded. `skipped`: as in `PathwayFolds`."""

    def __init__(
        self, log: EventLog, territory: str, *, skipped: Collection[int], kept_max: int = ALERTS_KEPT_MAX
    ) -> None:
        self._log = log
        self._territory = territory
        self._skipped = skipped
        self._kept_max = kept_max
        self._alerts: OrderedDict[UUID, Alert] = OrderedDict()

    async def fold(self, events: Sequence[Stored]) -> dict[UUID, Alert]:
        """The alerts that the next events of the log touch, as they stand after them."""
        mine = [stored for stored in events if stored.topic in ALERT_TOPICS]
        touched = {stored.event.originator_id for stored in mine}
        try:
            await self._load_behind(mine)
            for stored in mine:
                self._fold(stored)
        except Exception:
            for alert_id in touched:  # Whatever fails, no half-folded alert is kept.
                self._alerts.pop(alert_id, None)
            raise
        found = {alert_id: self._alerts[alert_id] for alert_id in touched if alert_id in self._alerts}
        while len(self._alerts) > self._kept_max:
            self._alerts.popitem(last=False)
        return found

    async def _load_behind(self, events: Iterable[Stored]) -> None:
        """Load what these events continue, and what is not here as it stood just before them."""
        first: dict[UUID, Stored] = {}
        for stored in events:
            first.setdefault(stored.event.originator_id, stored)
        missing: dict[UUID, int] = {}
        for alert_id, stored in first.items():
            before, known = stored.event.originator_version - 1, self._alerts.get(alert_id)
            if known is None or known.version != before:
                self._alerts.pop(alert_id, None)
                missing[alert_id] = before
        await self._load({alert_id: version for alert_id, version in missing.items() if version})

    async def _load(self, until_version: Mapping[UUID, int]) -> None:
        if not until_version:
            return
        for alert_id, history in (await self._log.read_streams(self._territory, sorted(until_version))).items():
            for stored in history[: until_version[alert_id]]:
                self._fold(stored)

    def _fold(self, stored: Stored) -> None:
        alert_id = stored.event.originator_id
        alert = self._alerts.get(alert_id)
        if stored.position in self._skipped:
            if alert is not None:
                alert.version = stored.event.originator_version
            return
        if alert is None and stored.event.originator_version > 1:
            return  # Its first event was passed over: nothing can be said of it.
        folded = stored.event.mutate(alert)
        assert isinstance(folded, Alert)
        self._alerts[alert_id] = folded
        self._alerts.move_to_end(alert_id)
