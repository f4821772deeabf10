-- Which alerts a pathway ever had, from the log itself: an alert's first event names the pathway that caused it.
-- Few rows are in it, and none is written for other events.
CREATE INDEX events_alerts_of_pathway ON events (territory, causation_id, position) WHERE topic = 'alert.raised';
