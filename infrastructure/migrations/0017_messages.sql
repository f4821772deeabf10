-- What a channel needs to know to tell the urgent from the rest, and whom of an agency is meant. Codes only.
ALTER TABLE outbox
    ADD COLUMN severity text COLLATE "C",                -- Of the alert, when there is one.
    ADD COLUMN urgent   boolean NOT NULL DEFAULT false,  -- Critical: it waits for no digest.
    ADD COLUMN audience text COLLATE "C" NOT NULL DEFAULT 'team' CHECK (audience IN ('team', 'lead', 'coordinator')),
    ADD COLUMN level    text COLLATE "C";                -- To which level the alert was escalated.

CREATE INDEX outbox_by_position ON outbox (territory, position);  -- For who reads them in the order of the log.
