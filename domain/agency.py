"""The agency: a partner service of a territory, what it is able to act on, and the services it offers. No person."""

from typing import TYPE_CHECKING, Annotated, Any, ClassVar
from uuid import UUID

import msgspec
from eventsourcing.domain import Aggregate

from domain import themes_v1
from domain.accompaniment import AccompanimentKind
from domain.aggregate import Created, Event, stored
from domain.command import Act, Label
from domain.errors import DomainError
from domain.ids import uuid8_of
from domain.themes import KIND_OF_NEED, Theme, must_be_known
from domain.zones import Zone

if TYPE_CHECKING:
    from collections.abc import Mapping

CAPABILITIES = frozenset(
    {kind for _, _, kind in themes_v1.FAMILIES.values()}
    | set(KIND_OF_NEED.values())
    | {kind.value for kind in AccompanimentKind if kind is not AccompanimentKind.OTHER}
)
"""Kinds of intervention: those of needs and those of accompaniments."""

Code = Annotated[str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9_-]{0,63}$(?!\\n)")]
Network = Annotated[Code, msgspec.Meta(description="The data·inclusion code of its network, such as ccas-cias.")]
Codes = Annotated[tuple[Code, ...], msgspec.Meta(max_length=50)]
Zones = Annotated[tuple[Zone, ...], msgspec.Meta(max_length=400)]
Themes = Annotated[tuple[Theme, ...], msgspec.Meta(max_length=80)]


class Description(msgspec.Struct, frozen=True, kw_only=True):
    """What others may know of an agency."""

    name: str
    network: str | None = None
    capabilities: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()
    """Empty: the whole territory."""


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """Something an agency offers."""

    name: str
    type: str | None = None
    themes: tuple[str, ...] = ()


def agency_id_of(territory: str, slug: str) -> UUID:
    """The stream of an agency: a UUIDv8 from a SHA-256, so that its short name always leads to the same one."""
    return uuid8_of("agency", territory, slug)


@stored
class AgencyRegistered(Created, frozen=True, kw_only=True):
    """A service joined the territory."""

    TOPIC: ClassVar[str] = "agency.registered"
    ORIGINATOR: ClassVar[str] = "domain.agency:Agency"
    OF_PERSON: ClassVar[bool] = False

    territory: str
    slug: str
    name: str
    network: str | None = None
    capabilities: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()

    def apply(self, agency: "Agency") -> None:
        agency.territory = self.territory
        agency.slug = self.slug
        agency.description = _description(self)


@stored
class AgencyChanged(Event, frozen=True, kw_only=True):
    """An agency's description was replaced as a whole."""

    TOPIC: ClassVar[str] = "agency.changed"
    OF_PERSON: ClassVar[bool] = False

    slug: str
    name: str
    network: str | None = None
    capabilities: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()

    def apply(self, agency: "Agency") -> None:
        agency.description = _description(self)


@stored
class ServiceAdded(Event, frozen=True, kw_only=True):
    """An agency offers a service; under a known id, the service's description was replaced."""

    TOPIC: ClassVar[str] = "agency.service-added"
    OF_PERSON: ClassVar[bool] = False

    slug: str
    service_id: UUID
    name: str
    type: str | None = None
    themes: tuple[str, ...] = ()

    def apply(self, agency: "Agency") -> None:
        agency.services[self.service_id] = Service(name=self.name, type=self.type, themes=self.themes)


@stored
class AgencyClosed(Event, frozen=True, kw_only=True):
    """An agency left the territory."""

    TOPIC: ClassVar[str] = "agency.closed"
    OF_PERSON: ClassVar[bool] = False

    slug: str

    def apply(self, agency: "Agency") -> None:
        agency.is_closed = True


class Agency(Aggregate):
    """Saying again what is already so is a no-op: a directory may be sent whole, as often as one likes."""

    def __init__(self) -> None:
        self.territory = ""
        self.slug = ""
        self.description = Description(name="")
        self.services: dict[UUID, Service] = {}
        self.is_closed = False

    def record(self, event_type: type[Event], act: Act, **fields: Any) -> None:
        self.trigger_event(event_type, agency=act.agency, actor=act.agent, timestamp=act.at, slug=self.slug, **fields)

    def must_be_open(self) -> None:
        if self.is_closed:
            raise AgencyIsClosed


class AgencyCommand(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request to change one agency."""

    def decide(self, agency: Agency, act: Act) -> None:
        raise NotImplementedError  # pragma: no cover


class DescribeAgency(AgencyCommand, frozen=True, kw_only=True):
    """Register an agency, or replace its description as a whole."""

    name: Label
    network: Network | None = None
    capabilities: Codes = ()
    zones: Zones = ()

    def decide(self, agency: Agency, act: Act) -> None:
        agency.must_be_open()
        if self.description() != agency.description:
            agency.record(AgencyChanged, act, **self.fields())

    def register(self, territory: str, slug: str, act: Act) -> Agency:
        """The new agency, with its first event pending."""
        return Agency._create(  # noqa: SLF001 (the library's way to create an aggregate from a given event type)
            AgencyRegistered,
            id=agency_id_of(territory, slug),
            timestamp=act.at,
            agency=act.agency,
            actor=act.agent,
            territory=territory,
            slug=slug,
            **self.fields(),
        )

    def description(self) -> Description:
        return Description(**self.fields())

    def fields(self) -> "Mapping[str, Any]":
        """In one order, whatever order they came in. Raises UnknownCapability."""
        for index, capability in enumerate(self.capabilities):
            if capability not in CAPABILITIES:
                raise UnknownCapability(field=f"/capabilities/{index}")
        return {
            "name": self.name,
            "network": self.network,
            "capabilities": tuple(sorted(set(self.capabilities))),
            "zones": tuple(sorted(set(self.zones))),
        }


class AddService(AgencyCommand, frozen=True, kw_only=True):
    """Add a service, or replace the description of the one with this id."""

    id: UUID
    name: Label
    type: Code | None = None
    themes: Themes = ()

    def decide(self, agency: Agency, act: Act) -> None:
        agency.must_be_open()
        for index, theme in enumerate(self.themes):
            must_be_known(theme, f"/themes/{index}")
        service = Service(name=self.name, type=self.type, themes=tuple(sorted(set(self.themes))))
        if agency.services.get(self.id) != service:
            agency.record(ServiceAdded, act, service_id=self.id, **msgspec.structs.asdict(service))


class CloseAgency(AgencyCommand, frozen=True, kw_only=True):
    """Take an agency out of the directory. Again is a no-op."""

    def decide(self, agency: Agency, act: Act) -> None:
        if not agency.is_closed:
            agency.record(AgencyClosed, act)


def _description(event: AgencyRegistered | AgencyChanged) -> Description:
    return Description(
        name=event.name, network=event.network, capabilities=tuple(event.capabilities), zones=tuple(event.zones)
    )


class AgencyIsClosed(DomainError):
    """This agency has left the territory."""

    code = "agency_closed"
    title_fr = "Ce service a quitté le territoire."


class UnknownAgency(DomainError):
    """No agency of the territory has this short name."""

    code = "unknown_agency"
    status = 404
    title_fr = "Aucun service du territoire ne porte ce nom court."


class UnknownCapability(DomainError):
    """This is not a kind of intervention that rules know."""

    code = "unknown_capability"
    status = 422
    title_fr = "Ce n'est pas un type d'intervention que connaissent les règles."
