-- A hard mute covers tracks of another source: their owner can unmute them without a webhook, so that LiveKit is
-- asked more often.
ALTER TABLE members ADD COLUMN has_disguised_tracks boolean NOT NULL DEFAULT false;
-- Without a default, copies of the version before fail: their documents lack what the events have announced.
ALTER TABLE members ALTER COLUMN has_disguised_tracks DROP DEFAULT;
CREATE INDEX members_disguised ON members (lane, room_id) WHERE has_disguised_tracks;
