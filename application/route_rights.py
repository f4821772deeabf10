"""What each route does, by its name: the door refuses whom the decision table never lets do it. None: for anyone.

A route of /v1 that is not here answers nobody, and fails the build. On one pathway its handler asks `authorise` again.
"""

from collections.abc import Mapping

from application.decision_table import Action
from domain.break_glass import BreakTheGlass, ReviewBreakGlass
from domain.catalogue import COMMANDS, OPENING
from domain.command import Command
from domain.shares import GrantShare, RevokeShare

A = Action

RIGHTS: Mapping[str, Action | None] = {
    **{spec.name: A.WRITE_CASE for spec in COMMANDS},
    OPENING.name: A.OPEN_PATHWAY,
    "read-pathway": A.READ_CASE,
    "read-entry": A.READ_CASE,
    "read-timeline": A.READ_CASE,
    "read-facts": A.READ_CASE,
    "read-obligations": A.READ_CASE,
    "send-batch": A.WRITE_CASE,
    # What names the person, and who looked at it.
    "open-contents": A.OPEN_IDENTITY,
    "list-accesses": A.READ_ACCESSES,
    "list-all-accesses": A.READ_ACCESSES,
    # Who may read.
    "list-shares": A.READ_CASE,
    "grant-share": A.SHARE,
    "revoke-share": A.REVOKE_SHARE,
    "break-glass": A.BREAK_GLASS,
    "review-break-glass": A.REVIEW_BREAK_GLASS,
    "list-break-glass": A.REVIEW_BREAK_GLASS,
    # Who may be known.
    "search-person": A.MATCH,
    "confirm-search": A.MATCH,
    "list-duplicates": A.LIST_CASES,
    # Of one's own agency.
    "list-pathways": A.LIST_CASES,
    "list-alerts": A.LIST_CASES,
    "read-alert": A.LIST_CASES,
    "explain-alert": A.LIST_CASES,
    "list-alert-acts": A.LIST_CASES,
    "read-inbox": A.LIST_CASES,
    "read-events": A.LIST_CASES,
    "export-events": A.LIST_CASES,
    "describe-agency": A.MANAGE_AGENCY,
    "put-service": A.MANAGE_AGENCY,
    "list-webhook-endpoints": A.MANAGE_AGENCY,
    "register-webhook-endpoint": A.MANAGE_AGENCY,
    "read-webhook-endpoint": A.MANAGE_AGENCY,
    "rotate-webhook-secret": A.MANAGE_AGENCY,
    "disable-webhook-endpoint": A.MANAGE_AGENCY,
    "enable-webhook-endpoint": A.MANAGE_AGENCY,
    "test-webhook-endpoint": A.MANAGE_AGENCY,
    "replay-webhook-messages": A.MANAGE_AGENCY,
    "list-webhook-deliveries": A.MANAGE_AGENCY,
    "register-mailbox": A.MANAGE_AGENCY,
    "list-mailboxes": A.MANAGE_AGENCY,
    "read-mailbox": A.MANAGE_AGENCY,
    "put-mailbox-preferences": A.MANAGE_AGENCY,
    "send-mailbox-code": A.MANAGE_AGENCY,
    "confirm-mailbox": A.MANAGE_AGENCY,
    "disable-mailbox": A.MANAGE_AGENCY,
    "forget-mailbox": A.MANAGE_AGENCY,
    "list-mails": A.MANAGE_AGENCY,
    "send-mail-again": A.MANAGE_AGENCY,
    # The rights of persons.
    "request-erasure": A.ERASE,
    "list-erasures": A.RETAIN,
    "read-erasure": A.RETAIN,
    "read-erasure-certificate": A.RETAIN,
    "list-erasure-notices": A.LIST_CASES,
    "restrict-pathway": A.RESTRICT,
    "lift-restriction": A.RESTRICT,
    "place-hold": A.RESTRICT,
    "lift-hold": A.RESTRICT,
    "read-retention": A.RETAIN,
    "prepare-subject-access": A.EXPORT_SUBJECT,
    "read-subject-access": A.EXPORT_SUBJECT,
    "release-subject-access": A.EXPORT_SUBJECT,
    # Rules.
    "list-rules": A.READ_REFERENCE,
    "read-rule": A.READ_REFERENCE,
    "read-rule-version": A.READ_REFERENCE,
    "list-rule-health": A.READ_RULE_HEALTH,
    "read-rule-health": A.READ_RULE_HEALTH,
    "lint-rules": A.READ_REFERENCE,
    "evaluate-rules": A.READ_REFERENCE,
    "draft-rule": A.STEER,
    "publish-rule": A.STEER,
    "retire-rule": A.STEER,
    "withdraw-rule-draft": A.STEER,
    "reconcile-obligations": A.STEER,
    "ask-for-backtest": A.STEER,
    "read-backtest": A.STEER,
    "cancel-backtest": A.STEER,
    "read-backtest-result": A.STEER,
    # Proof that history was not rewritten.
    "read-log-checkpoint": A.READ_RECEIPTS,
    "read-log-receipt": A.READ_RECEIPTS,
    "prove-inclusion": A.READ_PROOFS,
    "prove-consistency": A.READ_PROOFS,
    "read-log-tile": A.READ_PROOFS,
    # What says nothing of persons.
    "list-agencies": A.READ_REFERENCE,
    "read-agency": A.READ_REFERENCE,
    "list-members": None,
    "request-role": None,
    "approve-role": None,
    "refuse-role": None,
    "review-role": None,
    "end-role": None,
    "read-me": None,
    # Mandates of auditors, and what they open.
    "list-mandates": None,  # Only those that are the caller's to know.
    "read-mandate": None,
    "list-mandate-uses": None,
    "propose-mandate": A.PROPOSE_MANDATES,
    "sign-mandate": A.SIGN_MANDATES,
    "revoke-mandate": A.PROPOSE_MANDATES,
    "replay-pathways": A.AUDIT_REPLAY,
    "replay-pathway": A.AUDIT_REPLAY,
    "replay-timeline": A.AUDIT_REPLAY,
    "replay-facts": A.AUDIT_REPLAY,
    "replay-verdicts": A.AUDIT_REPLAY,
    "replay-inbox": A.AUDIT_REPLAY,
    "replay-alerts": A.AUDIT_REPLAY,
    "judge-alert-again": A.AUDIT_REPLAY,
    "replay-sight": A.AUDIT_REPLAY,
    "compare-pathway": A.AUDIT_REPLAY,
    "compare-pathways": A.AUDIT_REPLAY,
}

COMMAND_RIGHTS: Mapping[type[Command], Action] = {
    GrantShare: A.SHARE,
    RevokeShare: A.REVOKE_SHARE,
    BreakTheGlass: A.BREAK_GLASS,
    ReviewBreakGlass: A.REVIEW_BREAK_GLASS,
}
"""What a command on a pathway does, whichever way it came; those not named here write."""
