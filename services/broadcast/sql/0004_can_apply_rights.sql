-- Whether a room's members may have work is one fact, written from one property, instead of a condition on two
-- columns that every query repeats.
--
-- The rename comes first: it takes the table's lock and lets copies of the version before fail from then on.
ALTER TABLE rooms RENAME COLUMN is_open TO can_apply_rights;

SET LOCAL statement_timeout = 0;

UPDATE rooms SET can_apply_rights = false WHERE deletion_pending AND can_apply_rights;
