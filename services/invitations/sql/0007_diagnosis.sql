-- When and why the seat of an accepted invitation ended. Seats that ended before have neither.
ALTER TABLE invitations
    ADD COLUMN left_at text COLLATE "C",
    ADD COLUMN leave_reason text;

-- The invitations that could not be accepted because the room was full.
SET LOCAL statement_timeout = 0;
CREATE INDEX outcomes_room_full ON outcomes (invitation_id, decided_at) WHERE reason = 'room_full';
