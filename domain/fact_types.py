"""Every type of fact that the events of a pathway fold into, with the attributes that a fact of that type may have."""

from collections.abc import Mapping

FACT_TYPES: Mapping[str, frozenset[str]] = {
    "opened": frozenset(),
    "referent": frozenset({"to_agency", "assigned_by", "from_agency", "handed_over"}),
    "handover": frozenset({"from_agency", "to_agency", "referent_id", "transfer_id", "territory_changed"}),
    "consent": frozenset({"purpose", "scope", "to_agency", "status"}),
    "diagnosis": frozenset(
        {"needs", "theme", "family", "kind", "diagnosis_id", "status", "valid_until", "restriction"}
    ),
    "need_withdrawn": frozenset({"need_id", "theme", "family", "kind"}),
    "orientation": frozenset({"track", "to_agency", "theme", "kind"}),
    "decision": frozenset({"kind", "outcome", "status", "theme", "referral_id"}),
    "decision_notified": frozenset({"decision_id", "kind", "theme"}),
    "referral": frozenset(
        {
            "kind",
            "theme",
            "family",
            "from_agency",
            "to_agency",
            "cross_agency",
            "urgency",
            "status",
            "need_id",
            "superseded",
        }
    ),
    "referral_ack": frozenset({"referral_id", "outcome", "theme", "kind"}),
    "referral_step": frozenset({"referral_id", "outcome", "theme", "kind"}),
    "training": frozenset({"theme", "kind", "status", "physical", "need_id", "referral_id"}),
    "evaluation": frozenset({"training_id", "outcome", "theme", "kind"}),
    "medical_clearance": frozenset({"restriction"}),
    "relocation": frozenset({"from_zone", "to_zone", "territory_changed", "status"}),
    "accompaniment": frozenset({"kind", "status", "need_id", "referral_id"}),
    "review": frozenset({"accompaniment_id", "outcome", "kind"}),
    "summary": frozenset({"accompaniment_id", "outcome", "kind"}),
    "appointment": frozenset({"status", "channel", "referral_id"}),
    "appointment_outcome": frozenset({"appointment_id", "outcome"}),
    "contact": frozenset({"channel", "reached"}),
    "engagement_contract": frozenset({"kind", "status"}),
    "situation": frozenset({"topic", "value"}),
    "suspension": frozenset({"motive"}),
    "transfer": frozenset({"from_agency", "to_agency", "to_territory", "territory_changed", "status", "superseded"}),
    "closed": frozenset({"outcome"}),
    "reopened": frozenset({"closure_id"}),
}
"""The fields that every fact has of its own are told by `domain.rules.values.OWN_FIELDS`."""
