-- When a seat or the previous host's rights last ended: who had them may come back with them, so for an hour the
-- room is compared with LiveKit more often.
ALTER TABLE rooms ADD COLUMN rights_ended_at text COLLATE "C";
CREATE INDEX rooms_rights_ended_at ON rooms (lane, rights_ended_at) WHERE rights_ended_at IS NOT NULL;
