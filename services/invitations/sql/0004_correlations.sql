-- What the records that follow from a sending carry of it: its correlation id and trace, as an object of attributes.
-- NULL for an invitation whose command had none, and for one of an earlier version: its correlation is its id.
ALTER TABLE pending ADD COLUMN correlation jsonb;
ALTER TABLE scheduled_commands ADD COLUMN correlation jsonb;
