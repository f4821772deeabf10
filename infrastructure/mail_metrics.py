"""Counters of mails. No label names an agency, an address or a person."""

from prometheus_client import Counter, Histogram

MAILS = Counter(
    "unisson_mail_attempts_total", "Attempts to leave a mail with the server, by how they ended.", ["outcome"]
)
MAIL_SECONDS = Histogram(
    "unisson_mail_attempt_seconds",
    "Time that one attempt took.",
    buckets=(0.01, 0.05, 0.1, 0.5, 1, 5, 10, 20, 60),
)
DEAD_MAILS = Counter("unisson_mail_dead_letters_total", "Mails given up.")
