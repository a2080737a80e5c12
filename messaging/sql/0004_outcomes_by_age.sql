-- Find the oldest outcomes by a B-tree. A BRIN index knows the oldest and the newest row of each range of pages, and new
-- rows take the places of deleted ones: within days, every range had both, and each search for old outcomes read the
-- whole table.
SET LOCAL statement_timeout = 0;

DROP INDEX outcomes_by_age;
CREATE INDEX outcomes_by_age ON outcomes (decided_at);

-- Deleted outcomes keep their index entries until a vacuum.
ALTER TABLE outcomes SET (autovacuum_vacuum_threshold = 10000, autovacuum_vacuum_scale_factor = 0.05);
