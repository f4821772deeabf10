"""Orientations: the decision that an agency takes charge, of the whole pathway or of one theme."""

from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

from domain.aggregate import Event, stored
from domain.command import Act, AgencyId, Command, Text
from domain.compartments import Case, Health, Notes
from domain.dates import must_have_happened
from domain.supersession import supersede_moot_requests
from domain.themes import THEME_LIST, Theme, kind_of, must_be_known, public_theme

if TYPE_CHECKING:
    from domain.pathway import Pathway


class Track(StrEnum):
    PROFESSIONAL = "pro"
    SOCIO_PROFESSIONAL = "sociopro"
    SOCIAL = "social"


@stored
class OrientationDecided(Event, frozen=True, kw_only=True):
    """It was decided which agency the person is to be followed by."""

    TOPIC: ClassVar[str] = "orientation.decided"

    orientation_id: Case[UUID]
    track: Case[Track]
    to_agency: Case[str]
    on: Case[date]
    theme: Case[str | None] = None
    theme_list: Case[str | None] = None
    kind: Case[str | None] = None
    health_theme: Health[str] = None
    note: Notes[str] = None

    def apply(self, pathway: "Pathway") -> None:
        attrs: dict[str, Any] = {"track": self.track.value, "to_agency": self.to_agency}
        if self.theme is not None:
            attrs |= {"theme": self.theme, "kind": self.kind}
        pathway.add(
            self,
            self.orientation_id,
            type="orientation",
            start=self.on,
            end=self.on,
            attrs=attrs,
            admits=self.to_agency,
        )


class DecideOrientation(Command, frozen=True, kw_only=True):
    """Decide which agency takes charge. Pending referrals of the same theme to other agencies become moot."""

    track: Track
    to_agency: AgencyId
    theme: Theme | None = None
    on: date | None = None
    note: Text | None = None
    id: UUID | None = None

    def decide(self, pathway: "Pathway", act: Act) -> UUID:
        pathway.must_be_open()
        theme = health_theme = None
        if self.theme is not None:
            must_be_known(self.theme)
            theme, health_theme = public_theme(self.theme)
        on = must_have_happened(self.on or act.today, act, "/on", pathway)
        orientation_id = pathway.new_entry_id(self.id, act)
        pathway.record(
            OrientationDecided,
            act,
            orientation_id=orientation_id,
            track=self.track,
            to_agency=self.to_agency,
            on=on,
            theme=theme,
            theme_list=THEME_LIST if theme else None,
            kind=kind_of(self.theme) if self.theme else None,
            health_theme=health_theme,
            note=self.note,
        )
        supersede_moot_requests(pathway, act)
        return orientation_id
