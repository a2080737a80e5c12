-- Rename tables and columns to the names that the code uses. Rows stay as they are: every statement changes the
-- catalog only. Workers of an older version fail from then on, because they use the old names.
ALTER TABLE installation RENAME COLUMN one TO singleton;
ALTER TABLE installation RENAME COLUMN cluster TO cluster_id;
ALTER TABLE lanes RENAME COLUMN decided TO decided_sequences;
ALTER TABLE lanes RENAME COLUMN acknowledged TO published_sequences;
ALTER TABLE lanes RENAME COLUMN tails TO published_end_offsets;
ALTER TABLE lanes RENAME COLUMN segment TO last_batch_number;
ALTER TABLE lanes RENAME COLUMN unfenced TO unfenced_owners;
ALTER TABLE segments RENAME TO outbox;
ALTER TABLE outbox RENAME COLUMN number TO batch_number;
ALTER INDEX segments_pkey RENAME TO outbox_pkey;
