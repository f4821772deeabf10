"""Counters of deliveries. No label names an agency, an address or a person."""

from prometheus_client import Counter, Gauge, Histogram

ATTEMPTS = Counter("unisson_webhook_attempts_total", "Attempts to deliver a message, by how they ended.", ["outcome"])
SECONDS = Histogram(
    "unisson_webhook_attempt_seconds",
    "Time that one attempt took.",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15),
)
DEAD = Counter("unisson_webhook_dead_letters_total", "Messages given up.")
IN_FLIGHT = Gauge("unisson_webhook_attempts_in_flight", "Attempts going on.")
