-- Numbers over all rooms, which ops read once a second: from indexes alone, not from every document.
ALTER TABLE members
    -- `connected` or `in_grace`, for a co-host whose seat is kept; else NULL
    ADD COLUMN co_host_state text,
    -- how much is wrong with the member, 0 for nothing
    ADD COLUMN trouble smallint NOT NULL DEFAULT 0,
    -- since when LiveKit has not been as it should be
    ADD COLUMN out_of_sync_since timestamptz;
-- Without a default, copies of the version before fail: they would leave these columns behind their documents.
ALTER TABLE members ALTER COLUMN trouble DROP DEFAULT;
ALTER TABLE rooms ADD COLUMN deletion_pending_since timestamptz;

SET LOCAL statement_timeout = 0;

UPDATE members SET
    co_host_state = CASE
        WHEN document ->> 'seat' IS NULL OR release_pending THEN NULL
        WHEN connected THEN 'connected'
        WHEN document #>> '{presence,grace_ends_at}' IS NOT NULL THEN 'in_grace'
    END,
    trouble = 1000 * coalesce((document ->> 'failing')::boolean, false)::integer
        + 100 * (
            document ->> 'seat' IS NOT NULL AND NOT release_pending AND (
                document #>> '{presence,grace_ends_at}' IS NOT NULL
                OR coalesce(document #>> '{presence,state}', 'never') = 'never'
            )
        )::integer
        + 10 * (connected AND coalesce(document #>> '{quality,published}', '') IN ('poor', 'lost'))::integer
        + out_of_sync::integer,
    out_of_sync_since = CASE WHEN out_of_sync THEN now() END;
UPDATE rooms SET deletion_pending_since = now() WHERE deletion_pending;

CREATE INDEX members_co_host_state ON members (co_host_state) WHERE co_host_state IS NOT NULL;
CREATE INDEX members_troubled ON members (room_id) INCLUDE (trouble) WHERE trouble > 0;
CREATE INDEX rooms_can_apply_rights ON rooms (room_id) WHERE can_apply_rights;
