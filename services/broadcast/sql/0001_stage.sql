-- A room as invitations' events tell of it. The document is services.broadcast.state.Room; the columns beside it
-- are what is looked for.
CREATE TABLE rooms (
    room_id text COLLATE "C" PRIMARY KEY,
    lane integer NOT NULL,
    document jsonb NOT NULL,
    open boolean NOT NULL,
    -- the LiveKit room is to be deleted
    deleting boolean NOT NULL
) WITH (fillfactor = 80, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX rooms_deleting ON rooms (room_id) WHERE deleting;

-- A user of whom a room knows something: services.broadcast.state.Member.
CREATE TABLE members (
    room_id text COLLATE "C" NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    lane integer NOT NULL,
    document jsonb NOT NULL,
    -- LiveKit has not confirmed what is wished, or an errand is to be done
    pending boolean NOT NULL,
    connected boolean NOT NULL,
    -- when the seat's patience ends
    deadline text COLLATE "C",
    -- the seat's end was asked for
    releasing boolean NOT NULL,
    PRIMARY KEY (room_id, user_id)
) WITH (fillfactor = 80, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX members_pending ON members (room_id, user_id) WHERE pending;
CREATE INDEX members_connected ON members (lane, room_id) WHERE connected;
CREATE INDEX members_deadline ON members (lane, deadline) WHERE deadline IS NOT NULL;
CREATE INDEX members_releasing ON members (lane, room_id, user_id) WHERE releasing;
