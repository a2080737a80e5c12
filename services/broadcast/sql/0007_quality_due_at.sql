-- When the quality that a user reports is published: it has been reported for long enough then.
ALTER TABLE members ADD COLUMN quality_due_at text COLLATE "C";
CREATE INDEX members_quality_due_at ON members (lane, quality_due_at) WHERE quality_due_at IS NOT NULL;
