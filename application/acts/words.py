"""What each proposed act is called, in French and in English. Nothing here says anything of a person."""

from collections.abc import Mapping
from typing import NamedTuple

from application.acts.sketch import Way
from domain.catalogue import BY_NAME


class Words(NamedTuple):
    fr: str
    en: str


SAID: Mapping[tuple[str, str], Words] = {
    ("move-referral", "accepted"): Words("Accepter la sollicitation", "Accept the referral"),
    ("move-referral", "rejected"): Words(
        "Refuser la sollicitation, avec un motif", "Refuse the referral, with a reason"
    ),
    ("move-referral", "in-progress"): Words("Dire que l'action a commencé", "Say that work on it has begun"),
    ("move-referral", "on-hold"): Words("Mettre la sollicitation en attente", "Put the referral on hold"),
    ("move-referral", "completed"): Words("Dire que l'action est menée à bien", "Say that it is completed"),
    ("move-referral", "failed"): Words("Dire que l'action n'a pas abouti", "Say that it came to nothing"),
    ("move-referral", "cancelled"): Words("Annuler la sollicitation", "Cancel the referral"),
    ("move-training", "completed"): Words("Dire que la formation est terminée", "Say that the training is completed"),
    ("move-training", "abandoned"): Words("Dire que la formation est abandonnée", "Say that the training was given up"),
    ("move-relocation", "cancelled"): Words("Annuler le relogement prévu", "Cancel the planned relocation"),
    ("move-accompaniment", "ended"): Words("Terminer l'accompagnement", "End the accompaniment"),
    ("move-accompaniment", "cancelled"): Words("Annuler l'accompagnement prévu", "Cancel the planned accompaniment"),
    ("move-transfer", "accepted"): Words("Accepter le transfert", "Accept the transfer"),
    ("move-transfer", "rejected"): Words("Refuser le transfert, avec un motif", "Refuse the transfer, with a reason"),
    ("waive-alert", ""): Words("Dire pourquoi il est juste d'en rester là", "Say why it is right to leave it so"),
    ("dispute-alert", ""): Words("Signaler que l'alerte est erronée", "Say that the alert is wrong"),
    ("move-transfer", "cancelled"): Words("Annuler la demande de transfert", "Cancel the request for a transfer"),
}
"""Of commands that say more than one thing, by the state that they lead to; and of those about the alert itself."""
OF_WAY: Mapping[Way, Words] = {
    Way.CORRECT: Words("Corriger la date, si elle est fausse", "Correct the date, if it is wrong"),
    Way.RETRACT: Words("Annuler l'enregistrement, s'il est une erreur", "Take the entry back, if it is a mistake"),
}


def label_of(command: str, status: str | None, way: Way) -> Words:
    if way in OF_WAY:
        return OF_WAY[way]
    said = SAID.get((command, status or ""))
    return said or Words(BY_NAME[command].summary_fr, BY_NAME[command].summary)
