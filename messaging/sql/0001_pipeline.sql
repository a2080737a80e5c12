-- The cluster, prefix and partition count of the first start; the service refuses to start on others.
CREATE TABLE installation (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    cluster text NOT NULL,
    prefix text NOT NULL,
    partitions integer NOT NULL
);

-- One row per lane. Arrays follow the order of the service's inputs or outputs.
CREATE TABLE lanes (
    lane integer PRIMARY KEY,
    epoch bigint NOT NULL DEFAULT 0,
    owner text,
    released boolean NOT NULL DEFAULT true,
    unfenced text[] NOT NULL DEFAULT '{}',
    -- the next offset to read of each input, -1 before the first read
    positions bigint[] NOT NULL,
    -- the last sequence decided for each output
    decided bigint[] NOT NULL,
    -- the last sequence confirmed as published to each output, and the offset after it
    acknowledged bigint[] NOT NULL,
    tails bigint[] NOT NULL,
    -- the number of the last outbox batch
    segment bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0);

-- The outbox: records that are decided but not confirmed as published, one row per lane and batch.
CREATE TABLE segments (
    lane integer NOT NULL,
    number bigint NOT NULL,
    records bytea NOT NULL,
    PRIMARY KEY (lane, number)
) WITH (autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0);
ALTER TABLE segments ALTER COLUMN records SET STORAGE EXTERNAL;

-- One row per command with an outcome, so that a duplicate command id is recognized.
CREATE TABLE outcomes (
    id text COLLATE "C" PRIMARY KEY,
    type text NOT NULL,
    decided_at timestamptz NOT NULL,
    room_id text,
    invitation_id text,
    actor_id text,
    -- event names, separated by commas; null for a rejection
    events text,
    reason text,
    message text
);
CREATE INDEX outcomes_by_age ON outcomes USING brin (decided_at) WITH (pages_per_range = 32);
