-- Timestamps are text of the wire's form: its width is fixed, so it orders as text.

-- Rooms as last told. `life` grows with each tombstone; a forgotten room is one whose tombstone was the last word.
CREATE TABLE rooms (
    room_id text COLLATE "C" PRIMARY KEY,
    lane integer NOT NULL,
    -- the offset of the last fact
    position bigint NOT NULL,
    life bigint NOT NULL,
    forgotten boolean NOT NULL,
    host_id text COLLATE "C" NOT NULL,
    status text NOT NULL,
    max_co_hosts integer NOT NULL
) WITH (fillfactor = 80);

-- Users as last told; `lane` is a partition of the users topic. A tombstoned one is `gone`.
CREATE TABLE users (
    user_id text COLLATE "C" PRIMARY KEY,
    lane integer NOT NULL,
    position bigint NOT NULL,
    status text NOT NULL,
    can_receive_invitations boolean NOT NULL,
    blocked_user_ids text[] NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX users_barred ON users (changed_at) WHERE status <> 'active';

-- Every invitation that was ever sent. Each changes once at most; no index knows what changes, and half of each
-- page is kept free for it, so that closing an invitation touches no index.
CREATE TABLE invitations (
    invitation_id text COLLATE "C" PRIMARY KEY,
    room_id text COLLATE "C" NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    invited_by text COLLATE "C" NOT NULL,
    status text NOT NULL CHECK (status IN ('pending', 'accepted', 'rejected', 'cancelled', 'expired')),
    sent_at text COLLATE "C" NOT NULL,
    expires_at text COLLATE "C" NOT NULL,
    responded_at text COLLATE "C",
    updated_at text COLLATE "C" NOT NULL,
    close_reason text,
    message text,
    previous_invitation_id text COLLATE "C",
    lane integer NOT NULL,
    life bigint NOT NULL,
    -- the offset of the command that sent it
    position bigint NOT NULL
) WITH (fillfactor = 50);
CREATE INDEX invitations_of_room ON invitations (room_id, position);
CREATE INDEX invitations_of_user ON invitations (user_id, room_id, position);

-- The invitations that may still change: one per room and user at most.
CREATE TABLE pending (
    room_id text COLLATE "C",
    user_id text COLLATE "C",
    lane integer NOT NULL,
    invitation_id text COLLATE "C" NOT NULL,
    expires_at text COLLATE "C" NOT NULL,
    PRIMARY KEY (room_id, user_id)
) WITH (autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX pending_by_deadline ON pending (lane, expires_at);
CREATE INDEX pending_of_user ON pending (user_id);

-- The co-hosts: one seat per room and user at most.
CREATE TABLE seats (
    room_id text COLLATE "C",
    user_id text COLLATE "C",
    lane integer NOT NULL,
    -- the offset of the command that gave it
    position bigint NOT NULL,
    invitation_id text COLLATE "C" NOT NULL,
    since text COLLATE "C" NOT NULL,
    PRIMARY KEY (room_id, user_id)
) WITH (autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX seats_of_user ON seats (user_id);
CREATE INDEX seats_of_lane ON seats (lane);

-- What the sweeper has asked for and has not seen decided. `subject` is an invitation or a user.
CREATE TABLE asks (
    lane integer,
    command text,
    room_id text COLLATE "C",
    subject text COLLATE "C",
    command_id text COLLATE "C" NOT NULL,
    -- null until the command is known to be on its topic
    asked_at timestamptz,
    PRIMARY KEY (lane, command, room_id, subject)
);

-- What a pending invitation is once its time is over, though nobody has closed it yet.
CREATE FUNCTION reads_as(status text, expires_at text, at text) RETURNS text IMMUTABLE LANGUAGE sql AS
    $$ SELECT CASE WHEN status = 'pending' AND expires_at <= at THEN 'expired' ELSE status END $$;
