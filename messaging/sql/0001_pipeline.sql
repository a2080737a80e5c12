-- What the service was first started on: another cluster, prefix or partition count is refused.
CREATE TABLE installation (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    cluster text NOT NULL,
    prefix text NOT NULL,
    partitions integer NOT NULL
);

-- One row a lane. Arrays run in the order of the service's inputs or outputs.
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
    -- the last sequence known to be published to each output, and the offset behind it
    acknowledged bigint[] NOT NULL,
    tails bigint[] NOT NULL,
    -- the number of the last segment appended
    segment bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0);

-- Records that are decided and not yet known to be published, a batch of a lane in each row.
CREATE TABLE segments (
    lane integer NOT NULL,
    number bigint NOT NULL,
    records bytea NOT NULL,
    PRIMARY KEY (lane, number)
) WITH (autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0);
ALTER TABLE segments ALTER COLUMN records SET STORAGE EXTERNAL;

-- One row per command that had its outcome: the memory that makes a repeated id harmless.
CREATE TABLE outcomes (
    id text COLLATE "C" PRIMARY KEY,
    type text NOT NULL,
    decided_at timestamptz NOT NULL,
    room_id text,
    invitation_id text,
    actor_id text,
    -- the names of the events, joined by commas; null for a rejection
    events text,
    reason text,
    message text
);
CREATE INDEX outcomes_by_age ON outcomes USING brin (decided_at) WITH (pages_per_range = 32);
