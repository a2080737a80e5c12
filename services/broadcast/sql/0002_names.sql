-- The documents' keys and the columns beside them take the names that the code uses.
--
-- Columns first: renaming takes the tables' locks and lets copies of the version before fail from then on, so that
-- none of them writes a document with the old keys once the documents are converted.
ALTER TABLE rooms RENAME COLUMN open TO is_open;
ALTER TABLE rooms RENAME COLUMN deleting TO deletion_pending;
ALTER INDEX rooms_deleting RENAME TO rooms_deletion_pending;
ALTER TABLE members RENAME COLUMN pending TO out_of_sync;
ALTER TABLE members RENAME COLUMN deadline TO seat_deadline;
ALTER TABLE members RENAME COLUMN releasing TO release_pending;
ALTER INDEX members_pending RENAME TO members_out_of_sync;
ALTER INDEX members_deadline RENAME TO members_seat_deadline;
ALTER INDEX members_releasing RENAME TO members_release_pending;

SET LOCAL statement_timeout = 0;

-- Returns the object with its keys renamed; NULL for NULL. Keys that `names` does not mention stay.
CREATE FUNCTION rename_keys(object jsonb, names jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT jsonb_object_agg(coalesce(names ->> key, key), value) FROM jsonb_each(object)
$$;

UPDATE rooms SET document = rename_keys(
    document,
    '{
        "open": "is_open",
        "version": "latest_version",
        "deletion": "deletion_version",
        "endings": "pending_revocations",
        "finished": "finished_room_sids",
        "named": "room_sid_offset",
        "heard": "recent_webhook_ids"
    }'
);

-- A document of an early version may lack keys: an empty object or list gets the code's defaults.
UPDATE members SET document = rename_keys(
    document,
    '{
        "version": "desired_version",
        "achieved": "applied_version",
        "failed": "failing",
        "seen": "confirmed_intruder",
        "revoking": "pending_revocations"
    }'
) - 'errands' || jsonb_build_object(
    'presence',
    coalesce(
        rename_keys(
            document -> 'presence',
            '{
                "ended": "ended_sids",
                "missing": "absent_since_snapshot",
                "changed": "changed_at_offset"
            }'
        ),
        '{}'
    ),
    'actions',
    coalesce(
        (
            SELECT jsonb_agg(
                rename_keys(errand, '{"id": "command_id", "by": "actor_id", "at": "requested_at"}')
                || CASE errand ->> 'kind' WHEN 'ask_unmute' THEN '{"kind": "request_unmute"}'::jsonb ELSE '{}' END
                ORDER BY position
            )
            FROM jsonb_array_elements(document -> 'errands') WITH ORDINALITY AS errands (errand, position)
        ),
        '[]'
    )
);

DROP FUNCTION rename_keys(jsonb, jsonb);
