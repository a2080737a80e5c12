-- Name the topics of lanes and outbox records, which were stored by their place in these lists.
SET LOCAL statement_timeout = 0;

SELECT name_topics(
    inputs => ARRAY['rooms', 'users', 'invitations.commands'],
    outputs => ARRAY['invitations.events', 'invitations.rejections', 'invitations.dead-letters']
);

DROP FUNCTION name_topics, renamed_records, old_number, by_topic;
DROP TABLE lanes_by_place;
