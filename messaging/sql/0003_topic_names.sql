-- Key a lane's positions and sequences by topic name, and let every outbox record name its topic. Names are without the
-- deployment's prefix. Before, both had the topic's place in the service's topology, so that a changed topology
-- would have read another topic's offset.
--
-- Only the service knows which topic stood where: its own next migration calls name_topics.
LOCK TABLE lanes, outbox IN ACCESS EXCLUSIVE MODE;
SET LOCAL statement_timeout = 0;

CREATE TABLE lanes_by_place AS
SELECT lane, positions, decided_sequences, published_sequences, published_end_offsets FROM lanes;

-- A topic that the lane has not read or written yet has no key.
ALTER TABLE lanes
    DROP COLUMN positions,
    DROP COLUMN decided_sequences,
    DROP COLUMN published_sequences,
    DROP COLUMN published_end_offsets,
    -- the next offset to read of each input
    ADD COLUMN positions jsonb NOT NULL DEFAULT '{}',
    -- the last sequence decided for each output
    ADD COLUMN decided_sequences jsonb NOT NULL DEFAULT '{}',
    -- the last sequence confirmed as published to each output, and the offset after it
    ADD COLUMN published_sequences jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN published_end_offsets jsonb NOT NULL DEFAULT '{}';

-- Returns the numbers by name, without those that are below `minimum`.
CREATE FUNCTION by_topic(numbers bigint[], topics text[], minimum bigint) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(jsonb_object_agg(topic, number), '{}')
    FROM unnest(topics, numbers) AS named (topic, number) WHERE number >= minimum
$$;

-- Returns a number of the table at the beginning of old outbox records: 64 bits, the low byte first.
CREATE FUNCTION old_number(records bytea, place integer) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT bit_or(get_byte(records, 4 + 8 * place + byte)::bigint << (8 * byte)) FROM generate_series(0, 7) AS byte
$$;

-- Returns old outbox records in the new format: the byte 1, then MessagePack.
--
-- The old format was a table of numbers behind their count (32 bits), and then the bytes that they measure. The numbers
-- are that of the records, and for each record the output's place, the sequence, the lengths of key and value, the
-- number of headers, and the lengths of each header's name and value; -1 is the length of a null.
CREATE FUNCTION renamed_records(records bytea, outputs text[]) RETURNS bytea LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    parts bytea[] := ARRAY['\x01dd'::bytea || int4send(old_number(records, 0)::integer)];
    place integer := 1;
    start integer := 5 + 8 * (get_byte(records, 0) + (get_byte(records, 1) << 8)
        + (get_byte(records, 2) << 16) + (get_byte(records, 3) << 24));
    topic bytea;
    size integer;
    header_count integer;
BEGIN
    FOR record IN 1 .. old_number(records, 0) LOOP
        topic := convert_to(outputs[old_number(records, place) + 1], 'UTF8');
        -- an array of five: topic, sequence, key, value, headers
        parts := parts || ('\x95db'::bytea || int4send(length(topic)) || topic
            || '\xd3'::bytea || int8send(old_number(records, place + 1)));
        header_count := old_number(records, place + 4);
        FOR item IN 0 .. 1 + 2 * header_count LOOP
            size := old_number(records, place + CASE WHEN item < 2 THEN 2 ELSE 3 END + item);
            parts := parts || (
                CASE WHEN item = 2 THEN '\xdd'::bytea || int4send(header_count) ELSE '' END
                || CASE WHEN item >= 2 AND item % 2 = 0 THEN '\x92'::bytea ELSE '' END
                || CASE
                    WHEN size < 0 THEN '\xc0'::bytea
                    WHEN item >= 2 AND item % 2 = 0 THEN '\xdb'::bytea || int4send(size)
                    ELSE '\xc6'::bytea || int4send(size)
                END
                || substring(records FROM start FOR greatest(size, 0)));
            start := start + greatest(size, 0);
        END LOOP;
        IF header_count = 0 THEN
            parts := parts || '\x90'::bytea;
        END IF;
        place := place + 5 + 2 * header_count;
    END LOOP;
    RETURN (SELECT string_agg(part, ''::bytea ORDER BY number) FROM unnest(parts) WITH ORDINALITY AS parts (part, number));
END
$$;

-- Names the topics of all lanes and outbox records, given the service's topics in the order that the places meant.
CREATE FUNCTION name_topics(inputs text[], outputs text[]) RETURNS void LANGUAGE sql AS $$
    UPDATE lanes SET
        positions = by_topic(old.positions, inputs, 0),
        decided_sequences = by_topic(old.decided_sequences, outputs, 1),
        published_sequences = by_topic(old.published_sequences, outputs, 1),
        published_end_offsets = by_topic(old.published_end_offsets, outputs, 1)
    FROM lanes_by_place AS old WHERE lanes.lane = old.lane;
    UPDATE outbox SET records = renamed_records(records, outputs);
$$;
