"""What types, fields and values of facts are called in French and in English, when a rule is read out."""

from collections.abc import Mapping
from typing import NamedTuple

from domain.rules.vocabulary import CLOSED, GROUPS, OPENED, REOPENED

FEMININE = "f"


class Spoken(NamedTuple):
    """How facts of one type, or of a group, are spoken of. The verbs say that its start, and its end, come about."""

    fr: str
    gender: str
    fr_many: str
    fr_starts: str
    fr_ends: str
    en: str
    en_many: str
    en_starts: str
    en_ends: str


def _point(fr: tuple[str, str, str, str], en: tuple[str, str, str]) -> Spoken:
    """A fact of one point: its end is its start."""
    noun, gender, many, happens = fr
    return Spoken(noun, gender, many, happens, happens, en[0], en[1], en[2], en[2])


TYPES: Mapping[str, Spoken] = {
    "accompaniment": Spoken(
        "accompagnement", "m", "accompagnements", "commence", "se termine",
        "accompaniment", "accompaniments", "starts", "ends",
    ),
    "appointment": Spoken(
        "rendez-vous", "m", "rendez-vous", "a lieu", "se termine", "appointment", "appointments", "takes place", "ends"
    ),
    "appointment_outcome": _point(
        ("issue de rendez-vous", "f", "issues de rendez-vous", "est notée"),
        ("appointment outcome", "appointment outcomes", "is noted"),
    ),
    "consent": Spoken(
        "accord de la personne", "m", "accords de la personne", "est donné", "est retiré",
        "consent of the person", "consents of the person", "is given", "is withdrawn",
    ),
    "contact": _point(("contact", "m", "contacts", "a lieu"), ("contact", "contacts", "takes place")),
    "decision": _point(("décision", "f", "décisions", "est prise"), ("decision", "decisions", "is made")),
    "decision_notified": _point(
        ("notification de décision", "f", "notifications de décision", "est faite"),
        ("notice of a decision", "notices of decisions", "is given"),
    ),
    "diagnosis": _point(("diagnostic", "m", "diagnostics", "est posé"), ("diagnosis", "diagnoses", "is made")),
    "engagement_contract": Spoken(
        "contrat d'engagement", "m", "contrats d'engagement", "est signé", "arrive à son terme",
        "engagement contract", "engagement contracts", "is signed", "reaches its term",
    ),
    "evaluation": _point(
        ("évaluation de formation", "f", "évaluations de formation", "est faite"),
        ("evaluation of a training", "evaluations of trainings", "is made"),
    ),
    "handover": _point(
        ("passage de relais", "m", "passages de relais", "est confirmé"), ("handover", "handovers", "is confirmed")
    ),
    "medical_clearance": _point(
        ("levée de restriction", "f", "levées de restriction", "est enregistrée"),
        ("lifting of a restriction", "liftings of restrictions", "is recorded"),
    ),
    "need_withdrawn": _point(
        ("retrait de besoin", "m", "retraits de besoin", "est enregistré"),
        ("withdrawal of a need", "withdrawals of needs", "is recorded"),
    ),
    "orientation": _point(
        ("décision d'orientation", "f", "décisions d'orientation", "est prise"),
        ("orientation decision", "orientation decisions", "is taken"),
    ),
    "referent": Spoken(
        "désignation de référent", "f", "désignations de référent", "a lieu", "prend fin",
        "naming of a referent", "namings of referents", "takes place", "ends",
    ),
    "referral": _point(("orientation", "f", "orientations", "est demandée"), ("referral", "referrals", "is requested")),
    "referral_ack": _point(
        ("réponse à une orientation", "f", "réponses à des orientations", "est donnée"),
        ("answer to a referral", "answers to referrals", "is given"),
    ),
    "referral_step": _point(
        ("suite donnée à une orientation", "f", "suites données à des orientations", "est enregistrée"),
        ("follow-up of a referral", "follow-ups of referrals", "is recorded"),
    ),
    "relocation": _point(("relogement", "m", "relogements", "a lieu"), ("relocation", "relocations", "takes place")),
    "review": _point(("point d'étape", "m", "points d'étape", "est fait"), ("review", "reviews", "takes place")),
    "self": _point(("même fait", "m", "mêmes faits", "a lieu"), ("same fact", "same facts", "takes place")),
    "situation": _point(("situation", "f", "situations", "est constatée"), ("situation", "situations", "is noted")),
    "summary": _point(("bilan", "m", "bilans", "est fait"), ("summary", "summaries", "is written")),
    "suspension": Spoken(
        "suspension", "f", "suspensions", "commence", "prend fin", "suspension", "suspensions", "starts", "ends"
    ),
    "training": Spoken(
        "formation", "f", "formations", "commence", "se termine", "training", "trainings", "starts", "ends"
    ),
    "transfer": _point(
        ("demande de transfert", "f", "demandes de transfert", "est faite"),
        ("transfer request", "transfer requests", "is made"),
    ),
    OPENED: _point(
        ("ouverture de parcours", "f", "ouvertures de parcours", "a lieu"),
        ("opening of the pathway", "openings of the pathway", "takes place"),
    ),
    CLOSED: Spoken(
        "clôture de parcours", "f", "clôtures de parcours", "a lieu", "est levée",
        "closing of the pathway", "closings of the pathway", "takes place", "is lifted",
    ),
    REOPENED: _point(
        ("réouverture de parcours", "f", "réouvertures de parcours", "a lieu"),
        ("reopening of the pathway", "reopenings of the pathway", "takes place"),
    ),
}  # fmt: skip

GROUP_NAMES: Mapping[str, Spoken] = {
    "contact_events": _point(
        ("contact avec la personne", "m", "contacts avec la personne", "a lieu"),
        ("contact with the person", "contacts with the person", "takes place"),
    ),
    "intervention_events": _point(
        ("intervention", "f", "interventions", "a lieu"), ("intervention", "interventions", "takes place")
    ),
}


def group_of(types: tuple[str, ...]) -> Spoken | None:
    """The declared group that these types are, if any."""
    return next((GROUP_NAMES[name] for name in GROUP_NAMES if GROUPS[name] == types), None)


FIELDS: Mapping[str, tuple[str, str]] = {
    "accompaniment_id": ("accompagnement", "accompaniment"),
    "actor": ("saisi par", "recorded by"),
    "agency": ("service", "agency"),
    "appointment_id": ("rendez-vous", "appointment"),
    "channel": ("canal", "channel"),
    "cross_agency": ("entre deux services", "between two agencies"),
    "decision_id": ("décision", "decision"),
    "end": ("fin", "end"),
    "family": ("famille de besoins", "family of needs"),
    "from_agency": ("service de départ", "agency it comes from"),
    "kind": ("type", "type"),
    "motive": ("motif", "motive"),
    "needs": ("besoin", "need"),
    "outcome": ("issue", "outcome"),
    "physical": ("effort physique", "physical demand"),
    "precision": ("précision", "precision"),
    "purpose": ("finalité", "purpose"),
    "reached": ("personne jointe", "person reached"),
    "referent_id": ("référent", "referent"),
    "referral_id": ("orientation", "referral"),
    "restriction": ("restriction", "restriction"),
    "scope": ("portée", "scope"),
    "start": ("début", "start"),
    "state": ("état", "state"),
    "status": ("statut", "status"),
    "territory": ("territoire", "territory"),
    "territory_changed": ("change de territoire", "changes territory"),
    "theme": ("thème", "theme"),
    "to_agency": ("service sollicité", "agency asked"),
    "topic": ("sujet", "topic"),
    "track": ("voie", "track"),
    "training_id": ("formation", "training"),
    "transfer_id": ("transfert", "transfer"),
    "type": ("nature", "nature"),
    "urgency": ("urgence", "urgency"),
    "value": ("valeur", "value"),
}

VALUES: Mapping[str, tuple[str, str]] = {
    "@import": ("import", "import"),
    "accepted": ("acceptée", "accepted"),
    "active": ("actif", "active"),
    "all": ("tout", "all"),
    "cancelled": ("annulé", "cancelled"),
    "completed": ("achevée", "completed"),
    "done": ("fait", "done"),
    "emergency_shelter": ("hébergement d'urgence", "emergency shelter"),
    "ended": ("terminé", "ended"),
    "enrolled": ("inscrit", "enrolled"),
    "failed": ("échouée", "failed"),
    "famille--garde-denfants": ("garde d'enfants", "child care"),
    "health": ("santé", "health"),
    "heavy": ("important", "heavy"),
    "heavy_work": ("travail physique lourd", "heavy work"),
    "high": ("haute", "high"),
    "homeless": ("sans abri", "homeless"),
    "hosted": ("hébergé par un proche", "hosted"),
    "housed": ("logé", "housed"),
    "housed_at_risk": ("logement menacé", "housed at risk"),
    "housing": ("logement", "housing"),
    "in-progress": ("en cours", "in progress"),
    "institution": ("institution", "institution"),
    "minute": ("à la minute", "to the minute"),
    "mobilite": ("mobilité", "mobility"),
    "no_show": ("absence", "no-show"),
    "on-hold": ("en attente", "on hold"),
    "planned": ("prévu", "planned"),
    "proposed": ("proposé", "proposed"),
    "reexamination": ("réexamen", "re-examination"),
    "referral": ("orientation", "referral"),
    "refused": ("refusée", "refused"),
    "rejected": ("refusé", "rejected"),
    "sanction": ("sanction", "sanction"),
    "sante": ("santé", "health"),
    "sharing": ("partage", "sharing"),
    "signed": ("signé", "signed"),
    "social": ("sociale", "social"),
    "socio_professional": ("socio-professionnel", "socio-professional"),
    "started": ("commencé", "started"),
    "team_opinion": ("avis de l'équipe pluridisciplinaire", "opinion of the multidisciplinary team"),
    "temporary_accommodation": ("hébergement temporaire", "temporary accommodation"),
    "training": ("formation", "training"),
    "withdrawn": ("retiré", "withdrawn"),
}
