-- Up to where the deliveries of each channel have been recorded in the alerts that they tell of.
CREATE TABLE receipt_places (
    territory text COLLATE "C" NOT NULL,
    channel   text NOT NULL CHECK (channel IN ('webhook', 'mail')),
    until     timestamptz NOT NULL,
    PRIMARY KEY (territory, channel)
);
CREATE INDEX deliveries_settled ON deliveries (territory, settled_at, message_id) WHERE state = 'delivered';
