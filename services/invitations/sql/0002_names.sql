-- Rename tables, columns, indexes and a function to the names that the code uses. Rows stay as they are: every
-- statement changes the catalog only. Stop all workers of the older version first: they still use the old names.

-- Rooms by their last fact. `incarnation` grows with each tombstone; a room is deleted if its last fact is a tombstone.
ALTER TABLE rooms RENAME COLUMN life TO incarnation;
ALTER TABLE rooms RENAME COLUMN forgotten TO deleted;
ALTER TABLE invitations RENAME COLUMN life TO incarnation;
ALTER INDEX users_barred RENAME TO users_ineligible;

-- Commands that the sweeper scheduled and that have no outcome yet. `subject` is an invitation or a user;
-- `published_at` is null until the broker has confirmed the command.
ALTER TABLE asks RENAME TO scheduled_commands;
ALTER TABLE scheduled_commands RENAME COLUMN asked_at TO published_at;
ALTER INDEX asks_pkey RENAME TO scheduled_commands_pkey;

-- The status as read at `at`: a pending invitation that is overdue reads as expired before it is closed.
ALTER FUNCTION reads_as(text, text, text) RENAME TO status_at;
