-- Events that had arrived by a moment, with the person we thought they belonged to then, e.g.
--   SELECT person_id, name FROM person_events_asof(at = '2026-11-01 12:00')
-- The columns are those of person_events; a moment without a zone is UTC. Persons of then come from identity_log, owners of
-- sessions on shared devices from identity_sessions, each up to that moment; a node without a row was its own person.
CREATE OR REPLACE VIEW ${database}.person_events_asof_by_device AS
WITH
    parseDateTime64BestEffort({at:String}, 6, 'UTC') AS moment,
    persons AS
    (
        SELECT node, argMax(identity_log.person_id, known_from) AS person
        FROM ${database}.identity_log
        WHERE known_from <= moment
        GROUP BY node
    ),
    sessions AS
    (
        SELECT identity_sessions.session_node AS session, argMax(identity_sessions.starts, known_from) AS starts,
            argMax(identity_sessions.owners, known_from) AS owners
        FROM ${database}.identity_sessions
        WHERE known_from <= moment
        GROUP BY session
    )
SELECT
    multiIf(said != 0, said, device_node = 0, 0, NOT is_shared, on_device, owner_person != 0, owner_person, session_node) AS person_id,
    CAST(multiIf(said != 0, 1, device_node = 0, 5, NOT is_shared, 3, owner_person != 0, 2, 4),
        'Enum8(\'identifier\' = 1, \'session\' = 2, \'device\' = 3, \'nobody\' = 4, \'none\' = 5)') AS found_by,
    multiIf(said != 0, person_node, device_node = 0, 0, NOT is_shared, device_node, owner_person != 0, owner, 0) AS deciding_node,
    * EXCEPT (said, rest, on_device, is_shared, shared_session, owner, owner_person)
FROM
(
    -- A node that no row is found for comes as 0, and no node is 0.
    SELECT with_owner.*, if(persons.node = 0, owner, persons.person) AS owner_person
    FROM
    (
        SELECT with_device.* EXCEPT (shared_session),
            shared_session,
            if(empty(sessions.starts), toUInt64(0),
                sessions.owners[arrayLastIndex(start -> start <= occurred_at, sessions.starts)]) AS owner
        FROM
        (
            SELECT with_said.*, if(persons.node = 0, rest, persons.person) AS on_device,
                rest != 0 AND (on_device = 0 OR device_type IN ('kiosk', 'atm', 'pos', 'server')) AS is_shared,
                if(is_shared, session_node, 0) AS shared_session
            FROM
            (
                SELECT all_events.*, if(persons.node = 0, person_node, persons.person) AS said,
                    if(said != 0, 0, device_node) AS rest
                FROM
                (
                    SELECT
                        event_id, type, name, occurred_at, device_time, seq, identifiers, linked, channel, stage, session_id,
                        page, campaign, consent, properties, device, sent_at, received_at, source, sdk, ip, geo, agent, clock,
                        by_server, device_node, person_node, session_node, device.id AS device_id,
                        device.type AS device_type
                    FROM ${database}.events_raw FINAL
                    WHERE received_at <= moment
                    SETTINGS do_not_merge_across_partitions_select_final = 1
                ) AS all_events
                LEFT ANY JOIN persons ON all_events.person_node = persons.node
            ) AS with_said
            LEFT ANY JOIN persons ON with_said.rest = persons.node
        ) AS with_device
        LEFT ANY JOIN sessions ON with_device.shared_session = sessions.session
    ) AS with_owner
    LEFT ANY JOIN persons ON with_owner.owner = persons.node
);

CREATE OR REPLACE VIEW ${database}.person_events_asof AS
SELECT * EXCEPT (device_id, device_type) FROM ${database}.person_events_asof_by_device(at = {at:String});
