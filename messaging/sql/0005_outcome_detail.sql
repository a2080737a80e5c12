-- The true cause of a rejection, which its record does not carry.
ALTER TABLE outcomes ADD COLUMN detail text;
