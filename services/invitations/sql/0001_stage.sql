-- Timestamps are text in the wire's format: its width is fixed, so text order is time order.

-- Rooms by their last fact. `life` grows with each tombstone; a room is forgotten if its last fact is a tombstone.
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

-- Users by their last fact; `lane` is a partition of the users topic. The status is `gone` after a tombstone.
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

-- Every invitation ever sent. Each row changes once at most. No index has a column that changes, and half of each
-- page is kept free for the new version, so that closing an invitation touches no index (a HOT update).
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

-- The pending invitations: at most one per room and user.
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

-- The co-hosts: at most one seat per room and user.
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

-- Commands that the sweeper scheduled and that have no outcome yet. `subject` is an invitation or a user.
CREATE TABLE asks (
    lane integer,
    command text,
    room_id text COLLATE "C",
    subject text COLLATE "C",
    command_id text COLLATE "C" NOT NULL,
    -- null until the broker has confirmed the command
    asked_at timestamptz,
    PRIMARY KEY (lane, command, room_id, subject)
);

-- The status as read at `at`: a pending invitation that is overdue reads as expired before it is closed.
CREATE FUNCTION reads_as(status text, expires_at text, at text) RETURNS text IMMUTABLE LANGUAGE sql AS
    $$ SELECT CASE WHEN status = 'pending' AND expires_at <= at THEN 'expired' ELSE status END $$;
