-- The log of persons, to be read: which identifier changed hands, when, from whom to whom. `change`:
--   joined      it became part of another's person;
--   left        it is on its own again;
--   moved       from one person to another;
--   nobodys     it turned out to be a shared device or a hub;
--   somebodys   it is no longer.
CREATE OR REPLACE VIEW ${database}.identity_history AS
SELECT
    identity_log.known_from AS known_from,
    names.identifier AS identifier,
    multiIf(person_id = 0, 'nobodys', previous_person_id = 0, 'somebodys', person_id = identity_log.node, 'left',
        previous_person_id = identity_log.node, 'joined', 'moved') AS change,
    if(person_id = 0, 'nobody', persons.identifier) AS person,
    if(previous_person_id = 0, 'nobody', previous.identifier) AS previous_person,
    person_id,
    previous_person_id,
    identity_log.node AS node
FROM ${database}.identity_log
LEFT ANY JOIN (SELECT node, concat(any(namespace), ':', any(value)) AS identifier FROM ${database}.identity_nodes GROUP BY node) AS names
    ON names.node = identity_log.node
LEFT ANY JOIN (SELECT node, concat(any(namespace), ':', any(value)) AS identifier FROM ${database}.identity_nodes GROUP BY node) AS persons
    ON persons.node = identity_log.person_id
LEFT ANY JOIN (SELECT node, concat(any(namespace), ':', any(value)) AS identifier FROM ${database}.identity_nodes GROUP BY node) AS previous
    ON previous.node = identity_log.previous_person_id;
