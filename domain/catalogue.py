"""Every command of a pathway, once: HTTP routes, the command line and the documentation are made from this table.

Importing it registers every event type that a pathway stores.
"""

from typing import Any
from uuid import UUID

import msgspec

import domain.membership  # noqa: F401 (people's events stand in the same log)
from domain.accompaniment import MoveAccompaniment, RecordAccompaniment
from domain.appointment import BookAppointment, ConcludeAppointment
from domain.break_glass import BreakTheGlass, ReviewBreakGlass
from domain.clearance import GiveMedicalClearance
from domain.closure import ClosePathway, ReopenPathway
from domain.command import Command
from domain.consent import GiveConsent, WithdrawConsent
from domain.contact import RecordContact
from domain.contract import EndContract, SignContract
from domain.correction import CorrectEntry, RetractEntry
from domain.decision import MakeDecision, NotifyDecision
from domain.diagnosis import RecordDiagnosis, WithdrawNeed
from domain.evaluation import EvaluateTraining
from domain.opening import CorrectIdentity, OpenPathway
from domain.orientation import DecideOrientation
from domain.referent import AcknowledgeHandover, AssignReferent
from domain.referral import MoveReferral, RequestReferral
from domain.relocation import MoveRelocation, RecordRelocation
from domain.restriction import ContestEntry, SettleContest
from domain.review import ReviewAccompaniment, SumUpAccompaniment
from domain.shares import GrantShare, RevokeShare
from domain.situation import RecordSituation
from domain.suspension import ResumePathway, SuspendPathway
from domain.training import MoveTraining, RecordTraining
from domain.transfer import MoveTransfer, RequestTransfer


class CommandSpec(msgspec.Struct, frozen=True, kw_only=True):
    """How a command is reached and called."""

    name: str
    """Stable slug: the route's name, the verb of the command line."""
    path: str
    """Below /v1/pathways/{pathway_id}; empty for the opening itself. `{entry_id}` stands for `entry_field`."""
    command_type: type[Command]
    creates: bool
    """Whether a new entry is recorded under an id of its own, which is the answer."""
    summary: str
    summary_fr: str
    entry_field: str | None = None
    """The field of the command that comes from the path."""

    @property
    def body(self) -> type[msgspec.Struct]:
        """What a request's body holds: the command without what comes from the path."""
        return BODIES[self.name]

    def command(self, body: msgspec.Struct, entry_id: UUID | None = None) -> Command:
        """The command, from a decoded body and the id in the path."""
        if self.entry_field is None:
            assert isinstance(body, self.command_type)
            return body
        fields: dict[str, Any] = {name: getattr(body, name) for name in body.__struct_fields__}
        return self.command_type(**fields, **{self.entry_field: entry_id})


def _creating(name: str, path: str, command: type[Command], summary: str, summary_fr: str) -> CommandSpec:
    return CommandSpec(name=name, path=path, command_type=command, creates=True, summary=summary, summary_fr=summary_fr)


def _moving(
    name: str, path: str, entry_field: str, command: type[Command], summary: str, summary_fr: str
) -> CommandSpec:
    return CommandSpec(
        name=name,
        path=path,
        command_type=command,
        creates="id" in command.__struct_fields__,
        summary=summary,
        summary_fr=summary_fr,
        entry_field=entry_field,
    )


OPENING = _creating("open-pathway", "", OpenPathway, "Open a pathway", "Ouvrir un parcours")

COMMANDS: tuple[CommandSpec, ...] = (
    OPENING,
    CommandSpec(
        name="correct-identity",
        path="/identity-corrections",
        command_type=CorrectIdentity,
        creates=False,
        summary="Replace what is known of the person's identity",
        summary_fr="Remplacer l'identité connue de la personne",
    ),
    _creating("assign-referent", "/referents", AssignReferent, "Name the referent", "Désigner le référent"),
    _moving(
        "acknowledge-handover",
        "/referents/{entry_id}/acknowledgements",
        "referent_id",
        AcknowledgeHandover,
        "Say that the new referent has taken over",
        "Confirmer la reprise par le nouveau référent",
    ),
    _creating("give-consent", "/consents", GiveConsent, "Record a consent", "Enregistrer un accord"),
    _moving(
        "withdraw-consent",
        "/consents/{entry_id}/withdrawals",
        "consent_id",
        WithdrawConsent,
        "Withdraw a consent",
        "Retirer un accord",
    ),
    _creating("record-diagnosis", "/diagnoses", RecordDiagnosis, "Record a diagnosis", "Enregistrer un diagnostic"),
    _moving(
        "withdraw-need",
        "/needs/{entry_id}/withdrawals",
        "need_id",
        WithdrawNeed,
        "Say that a need no longer exists",
        "Retirer un besoin",
    ),
    _creating(
        "decide-orientation",
        "/orientations",
        DecideOrientation,
        "Decide which agency takes charge",
        "Décider d'une orientation",
    ),
    _creating("request-referral", "/referrals", RequestReferral, "Ask another agency to act", "Solliciter un service"),
    _moving(
        "move-referral",
        "/referrals/{entry_id}/moves",
        "referral_id",
        MoveReferral,
        "Answer a referral or say how it goes on",
        "Répondre à une sollicitation ou la faire avancer",
    ),
    _creating("record-training", "/trainings", RecordTraining, "Record a training", "Enregistrer une formation"),
    _moving(
        "move-training",
        "/trainings/{entry_id}/moves",
        "training_id",
        MoveTraining,
        "Say how a training goes on",
        "Faire avancer une formation",
    ),
    _moving(
        "evaluate-training",
        "/trainings/{entry_id}/evaluations",
        "training_id",
        EvaluateTraining,
        "Say what a training brought",
        "Évaluer une formation",
    ),
    _creating(
        "record-relocation", "/relocations", RecordRelocation, "Record a relocation", "Enregistrer un relogement"
    ),
    _moving(
        "move-relocation",
        "/relocations/{entry_id}/moves",
        "relocation_id",
        MoveRelocation,
        "Say whether a planned relocation took place",
        "Dire si un relogement prévu a eu lieu",
    ),
    _creating(
        "record-accompaniment",
        "/accompaniments",
        RecordAccompaniment,
        "Record an accompaniment",
        "Enregistrer un accompagnement",
    ),
    _moving(
        "move-accompaniment",
        "/accompaniments/{entry_id}/moves",
        "accompaniment_id",
        MoveAccompaniment,
        "Say that an accompaniment started, ended or was cancelled",
        "Faire avancer un accompagnement",
    ),
    _moving(
        "review-accompaniment",
        "/accompaniments/{entry_id}/reviews",
        "accompaniment_id",
        ReviewAccompaniment,
        "Review an accompaniment",
        "Faire le point sur un accompagnement",
    ),
    _moving(
        "sum-up-accompaniment",
        "/accompaniments/{entry_id}/summaries",
        "accompaniment_id",
        SumUpAccompaniment,
        "Sum up an accompaniment",
        "Faire le bilan d'un accompagnement",
    ),
    _creating("book-appointment", "/appointments", BookAppointment, "Book an appointment", "Prendre un rendez-vous"),
    _moving(
        "conclude-appointment",
        "/appointments/{entry_id}/outcomes",
        "appointment_id",
        ConcludeAppointment,
        "Say whether the person came",
        "Dire si la personne est venue",
    ),
    _creating("record-contact", "/contacts", RecordContact, "Record a contact", "Enregistrer un contact"),
    _creating("sign-contract", "/contracts", SignContract, "Record a signed contract", "Enregistrer un contrat signé"),
    _moving(
        "end-contract",
        "/contracts/{entry_id}/endings",
        "contract_id",
        EndContract,
        "Record the end of a contract",
        "Enregistrer la fin d'un contrat",
    ),
    _creating("make-decision", "/decisions", MakeDecision, "Record a decision", "Enregistrer une décision"),
    _moving(
        "notify-decision",
        "/decisions/{entry_id}/notifications",
        "decision_id",
        NotifyDecision,
        "Say that the person was told of a decision",
        "Dire que la personne a été informée d'une décision",
    ),
    _creating(
        "give-medical-clearance",
        "/medical-clearances",
        GiveMedicalClearance,
        "Record that a restriction was lifted",
        "Enregistrer la levée d'une restriction",
    ),
    _creating("record-situation", "/situations", RecordSituation, "Record a situation", "Enregistrer une situation"),
    _creating("suspend-pathway", "/suspensions", SuspendPathway, "Suspend the pathway", "Suspendre le parcours"),
    _creating("resume-pathway", "/resumptions", ResumePathway, "Resume the pathway", "Reprendre le parcours suspendu"),
    _creating(
        "request-transfer", "/transfers", RequestTransfer, "Ask to hand the pathway over", "Demander un transfert"
    ),
    _moving(
        "move-transfer",
        "/transfers/{entry_id}/moves",
        "transfer_id",
        MoveTransfer,
        "Answer or cancel a transfer",
        "Répondre à un transfert ou l'annuler",
    ),
    _creating("close-pathway", "/closures", ClosePathway, "Close the pathway", "Clore le parcours"),
    _creating("reopen-pathway", "/reopenings", ReopenPathway, "Reopen the pathway", "Rouvrir le parcours"),
    _moving(
        "correct-entry",
        "/entries/{entry_id}/corrections",
        "entry_id",
        CorrectEntry,
        "Correct what was recorded",
        "Corriger un enregistrement",
    ),
    _moving(
        "retract-entry",
        "/entries/{entry_id}/retractions",
        "entry_id",
        RetractEntry,
        "Take back what was recorded",
        "Annuler un enregistrement",
    ),
    _moving(
        "contest-entry",
        "/entries/{entry_id}/contests",
        "entry_id",
        ContestEntry,
        "Record that the person contests an entry",
        "Noter que la personne conteste un enregistrement",
    ),
    _moving(
        "settle-contest",
        "/entries/{entry_id}/contests/settlements",
        "entry_id",
        SettleContest,
        "Say what came of a contest",
        "Dire la suite donnée à une contestation",
    ),
)
ACCESS_COMMANDS: tuple[CommandSpec, ...] = (
    _creating("grant-share", "/shares", GrantShare, "Let another agency read", "Partager avec un autre service"),
    _moving(
        "revoke-share", "/shares/{entry_id}/revocations", "share_id", RevokeShare, "End a share", "Fin d'un partage"
    ),
    _creating("break-glass", "/break-glass", BreakTheGlass, "Read in an emergency", "Lire en urgence (bris de glace)"),
    _moving(
        "review-break-glass",
        "/break-glass/{entry_id}/reviews",
        "break_glass_id",
        ReviewBreakGlass,
        "Say whether breaking the glass was justified",
        "Dire si le bris de glace était justifié",
    ),
)
"""Who may read, by people and never by an API key: in no batch, no import and no command line."""
BY_NAME = {spec.name: spec for spec in COMMANDS + ACCESS_COMMANDS}


def _body(spec: CommandSpec) -> type[msgspec.Struct]:
    if spec.entry_field is None:
        return spec.command_type
    fields = [
        (field.name, field.type, field.default) if field.default is not msgspec.NODEFAULT else (field.name, field.type)
        for field in msgspec.structs.fields(spec.command_type)
        if field.name != spec.entry_field
    ]
    return msgspec.defstruct(
        f"{spec.command_type.__name__}Body",
        fields,
        frozen=True,
        kw_only=True,
        forbid_unknown_fields=True,
        namespace={"__doc__": spec.command_type.__doc__},
    )


BODIES = {spec.name: _body(spec) for spec in COMMANDS + ACCESS_COMMANDS}
