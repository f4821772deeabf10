"""The code lists of an HMIS export, all versions together, and what each code means here.

FY2024 gave the living situations new numbers (first digit 1 homeless, 2 institution, 3 temporary, 4 permanent), so the
older list and the newer one stand side by side without clashing.
"""

from collections.abc import Mapping

from domain.accompaniment import AccompanimentKind as Kind
from domain.closure import ClosureOutcome
from domain.referral import ReferralStatus
from domain.situation import SituationValue as Value

MISSING: Mapping[int, Value] = {8: Value.UNKNOWN, 9: Value.DECLINED, 99: Value.NOT_ASKED}
"""Missing data, in three ways that must stay apart, and apart from "no"."""
DATA_QUALITY = frozenset({1, 2, *MISSING})
RELIABLE = frozenset({1, 2, None})
"""Data quality of a date that was given in full or in part; any other stands for no date at all."""

PROJECT_TYPES: Mapping[int | None, Kind] = {
    0: Kind.HOUSING,  # Emergency shelter
    1: Kind.HOUSING,  # Emergency shelter, night by night
    2: Kind.HOUSING,  # Transitional housing
    3: Kind.HOUSING,  # Permanent supportive housing
    4: Kind.SOCIAL,  # Street outreach
    6: Kind.SOCIO_PROFESSIONAL,  # Services only
    7: Kind.OTHER,
    8: Kind.HOUSING,  # Safe haven
    9: Kind.HOUSING,  # Housing only
    10: Kind.HOUSING,  # Housing with services
    11: Kind.SOCIAL,  # Day shelter
    12: Kind.HOUSING,  # Homelessness prevention
    13: Kind.HOUSING,  # Rapid re-housing
    14: Kind.SOCIAL,  # Coordinated entry
    None: Kind.OTHER,
}
"""What an enrolment in a project of this type is."""

_LIVING: Mapping[Value, tuple[int, ...]] = {
    Value.HOMELESS: (16, 116),
    Value.EMERGENCY_SHELTER: (1, 101, 18, 118),
    Value.INSTITUTION: (4, 204, 5, 205, 6, 206, 7, 207, 15, 215, 25, 225),
    Value.TEMPORARY_ACCOMMODATION: (2, 302, 14, 314, 27, 327, 29, 329, 32, 332),
    Value.HOSTED: (12, 312, 13, 313, 35, 335, 36, 336),
    Value.HOUSED: (3, 10, 410, 11, 411, 19, 20, 21, 421, 22, 422, 23, 423, 26, 426, 28, 31, 33, 34, 435),
    Value.UNKNOWN: (8, 17, 24, 30, 37),
    Value.DECLINED: (9,),
    Value.NOT_ASKED: (99,),
}
LIVING_SITUATIONS: Mapping[int, Value] = {code: value for value, numbers in _LIVING.items() for code in numbers}
"""Where a person lives, lived or went, by number of either list."""
PERMANENT_DESTINATIONS = frozenset(_LIVING[Value.HOUSED])
OUTCOMES: Mapping[int | None, ClosureOutcome] = {
    **dict.fromkeys(LIVING_SITUATIONS, ClosureOutcome.OTHER),
    **dict.fromkeys(PERMANENT_DESTINATIONS, ClosureOutcome.HOUSED),
    **dict.fromkeys((None, 8, 9, 17, 37, 99), ClosureOutcome.UNKNOWN),
    24: ClosureOutcome.DECEASED,
    30: ClosureOutcome.LOST_CONTACT,  # No exit interview
}
"""What a pathway came to, by destination of the last exit."""

_SHELTER = "logement-hebergement--rechercher-une-solution-dhebergement-temporaire"
_RENT = "logement-hebergement--louer-un-logement"
_STAY = "logement-hebergement--se-maintenir-dans-le-logement"
_STEPS = "logement-hebergement--sinformer-sur-les-demarches-liees-a-lacces-au-logement"
_BUDGET = "difficultes-financieres--prevenir-une-degradation-de-la-situation-financiere"

ASSESSED_NEEDS: Mapping[int | None, str] = {1: _SHELTER, 2: _RENT}
"""Theme of the need that an assessment of this level looks at: crisis, then housing."""
EVENT_THEMES: Mapping[int, str] = {
    1: _STAY,  # Prevention assistance
    2: _STAY,  # Problem solving, diversion
    3: _SHELTER,  # Crisis needs assessment
    4: _RENT,  # Housing needs assessment
    5: _STAY,  # Follow-up case management after placement
    6: _SHELTER,  # Street outreach
    7: _STEPS,  # Housing navigation
    8: _STEPS,  # Services outside the continuum: not eligible
    9: _STEPS,  # Services outside the continuum: no place
    10: _SHELTER,  # Emergency shelter bed
    11: _SHELTER,  # Transitional housing
    12: _RENT,  # Joint transitional housing and rapid re-housing
    13: _RENT,  # Rapid re-housing
    14: _RENT,  # Permanent supportive housing
    15: _RENT,  # Other permanent housing
    16: _BUDGET,  # Emergency assistance, flexible funds, furniture
    17: _RENT,  # Emergency housing voucher
    18: _RENT,  # Housing stability voucher
}
"""Theme of the referral that a coordinated-entry event is."""
PERSON_REFUSED = "hmis:person-refused"
PROVIDER_REFUSED = "hmis:provider-refused"
REFERRAL_RESULTS: Mapping[int, tuple[ReferralStatus, str | None]] = {
    1: (ReferralStatus.ACCEPTED, None),
    2: (ReferralStatus.REJECTED, PERSON_REFUSED),
    3: (ReferralStatus.REJECTED, PROVIDER_REFUSED),
}
"""Answer to a referral, with who refused as its reason."""

EMPLOYED = frozenset({0, 1, *MISSING})
EMPLOYMENT_TYPES: Mapping[int | None, Value] = {
    1: Value.EMPLOYED,
    2: Value.PART_TIME,
    3: Value.EMPLOYED,  # Seasonal or sporadic
    **dict.fromkeys((None, *MISSING), Value.EMPLOYED),
}
NOT_EMPLOYED_REASONS: Mapping[int | None, Value] = {
    1: Value.JOB_SEEKING,
    2: Value.INACTIVE,  # Unable to work
    3: Value.INACTIVE,  # Not looking
    **dict.fromkeys((None, *MISSING), Value.NO),
}
SCHOOL_STATUSES = frozenset({*range(1, 8), *MISSING})
ATTENDING_SCHOOL = frozenset({1, 2})

ASSESSMENT_TYPES = frozenset({1, 2, 3})
PRIORITIZATION_STATUSES = frozenset({1, 2})

_SERVICES: Mapping[int, tuple[Kind, Mapping[int, Kind]]] = {
    141: (  # PATH
        Kind.SOCIAL,
        {
            **dict.fromkeys((2, 3, 4, 5, 14), Kind.HEALTH),
            6: Kind.SOCIO_PROFESSIONAL,
            **dict.fromkeys(range(7, 13), Kind.HOUSING),
        },
    ),
    142: (  # Runaway and homeless youth
        Kind.SOCIAL,
        {
            **dict.fromkeys((5, 6), Kind.SOCIO_PROFESSIONAL),
            10: Kind.FAMILY,
            **dict.fromkeys((12, 13, 14, 17, 18, 27, 28), Kind.HEALTH),
        },
    ),
    143: (  # HOPWA
        Kind.SOCIAL,
        {
            **dict.fromkeys((2, 5, 6), Kind.SOCIO_PROFESSIONAL),
            3: Kind.FAMILY,
            **dict.fromkeys((1, 8, 10, 12), Kind.HEALTH),
            13: Kind.MOBILITY,
        },
    ),
    144: (Kind.SOCIAL, {2: Kind.SOCIO_PROFESSIONAL, 7: Kind.HOUSING, 8: Kind.HOUSING, 10: Kind.HEALTH}),  # SSVF
    151: (Kind.BUDGET, {}),  # HOPWA financial assistance
    152: (Kind.BUDGET, {}),  # SSVF financial assistance
    161: (Kind.SOCIAL, {4: Kind.EMPLOYMENT, 9: Kind.EMPLOYMENT, 6: Kind.HOUSING, 7: Kind.HOUSING, 11: Kind.HOUSING}),
    200: (Kind.HOUSING, {}),  # Bed night
    210: (Kind.HOUSING, {}),  # HUD-VASH voucher
    300: (Kind.HOUSING, {}),  # Moving on
}
SERVICE_RECORDS = frozenset(_SERVICES)


def service_kind(record: int, provided: int | None) -> Kind:
    """What a service is an accompaniment of; case management, work and study are socio-professional."""
    otherwise, by_type = _SERVICES[record]
    return otherwise if provided is None else by_type.get(provided, otherwise)


def employment(employed: int, kind: int | None, reason: int | None, school: int | None) -> Value:
    """Somebody without work who attends school is in training."""
    if employed in MISSING:
        return MISSING[employed]
    if employed == 1:
        return EMPLOYMENT_TYPES[kind]
    return Value.IN_TRAINING if school in ATTENDING_SCHOOL else NOT_EMPLOYED_REASONS[reason]
