"""Why something cannot be done about an alert."""

from domain.errors import DomainError


class UnknownAlert(DomainError):
    """No alert with this id concerns you."""

    code = "unknown_alert"
    status = 404
    title_fr = "Aucune alerte portant cet identifiant ne vous concerne."


class AlertOver(DomainError):
    """This alert is cleared: there is nothing left to answer."""

    code = "alert_over"
    title_fr = "Cette alerte est levée : il n'y a plus rien à y répondre."


class OtherRevision(DomainError):
    """The alert has been raised again since: look at it as it stands now."""

    code = "other_revision"
    title_fr = "L'alerte a été émise de nouveau depuis : regardez-la telle qu'elle est maintenant."

    def __init__(self, present: int) -> None:
        super().__init__(
            f"{self.title()} The present revision is {present}.",
            detail_fr=f"{self.title_fr} La révision actuelle est la {present}.",
        )


class AlreadyTaken(DomainError):
    """Another agency has just taken it: answer `in_support` if you help, `not_concerned` if you need not."""

    code = "already_taken"
    title_fr = (
        "Un autre service vient de la prendre : répondez `in_support` si vous l'aidez, "
        "`not_concerned` si vous n'avez pas à le faire."
    )

    def __init__(self, by: str | None) -> None:
        """`by` is left out for whoever may not know which agencies are concerned."""
        super().__init__(
            f"{self.title()} It is {by}." if by else None, detail_fr=f"{self.title_fr} C'est {by}." if by else None
        )


class ReasonNeeded(DomainError):
    """Say why you are not concerned."""

    code = "reason_needed"
    status = 422
    title_fr = "Dites pourquoi vous n'êtes pas concerné."


class NoticeOnly(DomainError):
    """You are told that there is something to look at, not what: you may acknowledge it, answer it or put it aside."""

    code = "notice_only"
    status = 403
    title_fr = (
        "Vous savez qu'il y a quelque chose à regarder, non quoi : vous pouvez en prendre acte, y répondre "
        "ou la mettre de côté."
    )


class RightEnded(DomainError):
    """You no longer take part in the pathway that this alert is about."""

    code = "right_ended"
    status = 403
    title_fr = "Vous ne participez plus au parcours dont parle cette alerte."


class NotInTheFuture(DomainError):
    """This date is already past."""

    code = "not_in_the_future"
    status = 422
    title_fr = "Cette date est déjà passée."


class TooFar(DomainError):
    """This date is too far away."""

    code = "too_far"
    status = 422
    title_fr = "Cette date est trop lointaine."

    def __init__(self, *, days_most: int, field: str) -> None:
        super().__init__(
            f"{self.title()} It is at most {days_most} days from now.",
            detail_fr=f"{self.title_fr} Elle est dans {days_most} jours au plus.",
            field=field,
        )


class SaidTooMuch(DomainError):
    """Your agency has said all that it may of this alert: there is a limit to how often one changes one's mind."""

    code = "said_too_much"
    title_fr = "Votre service a dit de cette alerte tout ce qu'il pouvait : on ne change pas d'avis sans limite."


class NothingPutAside(DomainError):
    """There is nothing to take up again: no waiver is in force, or you had not put the alert aside."""

    code = "nothing_put_aside"
    title_fr = (
        "Il n'y a rien à reprendre : aucune dérogation n'est en vigueur, ou vous n'aviez pas mis l'alerte de côté."
    )
