-- A room as invitations publishes it. The document is the dataclass Room as JSON; the columns beside it are for
-- queries.
CREATE TABLE rooms (
    room_id text COLLATE "C" PRIMARY KEY,
    lane integer NOT NULL,
    document jsonb NOT NULL,
    open boolean NOT NULL,
    -- the LiveKit room is to be deleted
    deleting boolean NOT NULL
) WITH (fillfactor = 80, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX rooms_deleting ON rooms (room_id) WHERE deleting;

-- A user with a place on the stage, or with work on LiveKit that is not finished: the dataclass Member as JSON.
CREATE TABLE members (
    room_id text COLLATE "C" NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    lane integer NOT NULL,
    document jsonb NOT NULL,
    -- LiveKit has not confirmed the desired rights, or a one-off action is to be run
    pending boolean NOT NULL,
    connected boolean NOT NULL,
    -- when the seat is released if its co-host does not connect
    deadline text COLLATE "C",
    -- the seat's release was requested
    releasing boolean NOT NULL,
    PRIMARY KEY (room_id, user_id)
) WITH (fillfactor = 80, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX members_pending ON members (room_id, user_id) WHERE pending;
CREATE INDEX members_connected ON members (lane, room_id) WHERE connected;
CREATE INDEX members_deadline ON members (lane, deadline) WHERE deadline IS NOT NULL;
CREATE INDEX members_releasing ON members (lane, room_id, user_id) WHERE releasing;
