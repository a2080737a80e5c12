-- The hosts that a room has had, also before its tombstones: one row for the first StageChanged of a room, and one for
-- each that changes the host. They decide which events of the past are a host's to see.
CREATE TABLE room_hosts (
    room_id text COLLATE "C",
    -- of the StageChanged on invitations.events
    sequence bigint,
    -- the event's time
    since text COLLATE "C" NOT NULL,
    host_id text COLLATE "C" NOT NULL,
    PRIMARY KEY (room_id, sequence)
);

-- A room from before counts as if it had always had its present host.
SET LOCAL statement_timeout = 0;
INSERT INTO room_hosts (room_id, sequence, since, host_id)
SELECT room_id, 0, '1970-01-01T00:00:00.000Z', host_id FROM rooms;
