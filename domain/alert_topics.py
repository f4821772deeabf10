"""Every event of the stream of an alert, by topic."""

from domain.alert import SITUATION_TOPICS
from domain.alert_escalation import ESCALATION_TOPICS
from domain.alert_pause import PAUSE_TOPICS
from domain.alert_steps import STEP_TOPICS

ALERT_TOPICS = SITUATION_TOPICS | STEP_TOPICS | PAUSE_TOPICS | ESCALATION_TOPICS
