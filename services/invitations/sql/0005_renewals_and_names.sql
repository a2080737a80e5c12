-- Invitations are sent again, seen, and announced under a label. Those from before were sent once.
ALTER TABLE invitations
    ADD COLUMN label text,
    ADD COLUMN times_sent integer NOT NULL DEFAULT 1,
    ADD COLUMN resent_at text COLLATE "C",
    ADD COLUMN seen_at text COLLATE "C";

-- HTTP answers have titles and names. A fact from before comes without its own until it is published again.
ALTER TABLE users ADD COLUMN display_name text;
ALTER TABLE rooms
    ADD COLUMN title text,
    -- the broker's time of the last fact
    ADD COLUMN changed_at text COLLATE "C" NOT NULL DEFAULT '1970-01-01T00:00:00.000Z';

-- Whether invitations may be sent and accepted in a room of this status.
CREATE FUNCTION is_open(status text) RETURNS boolean IMMUTABLE LANGUAGE sql AS
    $$ SELECT status IN ('idle', 'live', 'waitingReconnect') $$;

SET LOCAL statement_timeout = 0;
CREATE INDEX rooms_by_change ON rooms (changed_at, position, lane) WHERE NOT deleted;
CREATE INDEX rooms_open ON rooms (changed_at, position, lane) WHERE NOT deleted AND is_open(status);
CREATE INDEX rooms_of_host ON rooms (host_id, changed_at, position, lane) WHERE NOT deleted;

-- The seats of a room are sorted by their positions. Arranging the stage exchanges them between its seats, so that a
-- seat's position need not be the offset of the command that gave it. The table stays as it is.
