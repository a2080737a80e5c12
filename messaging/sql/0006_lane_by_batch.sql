-- Find a lane by its number and the number of its last batch, which each commit changes.
--
-- While any snapshot of the database is held open, for example by a dump or a long report, no version of a row that
-- it could read can be removed. An index on the lane alone leads to all of them, so that each commit read every
-- version that the commits since the snapshot had left: after 5000 commits, twelve lanes took 7 ms of Postgres.
-- The new key leads to the one version that a commit expects to find.
SET LOCAL statement_timeout = 0;
ALTER TABLE lanes DROP CONSTRAINT lanes_pkey, ADD PRIMARY KEY (lane, last_batch_number);

-- There is one row per lane all the same, also if a worker of an older version starts, which relies on the old key.
CREATE FUNCTION is_new_lane() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    is_new boolean;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('lanes ' || TG_TABLE_SCHEMA));
    -- By the table's full name, because pg_dump's rows are restored without a search path.
    EXECUTE format('SELECT NOT EXISTS (SELECT FROM %s WHERE lane = $1)', TG_RELID::regclass)
        INTO is_new USING NEW.lane;
    RETURN CASE WHEN is_new THEN NEW END;
END
$$;
CREATE TRIGGER one_row_per_lane BEFORE INSERT ON lanes FOR EACH ROW EXECUTE FUNCTION is_new_lane();
