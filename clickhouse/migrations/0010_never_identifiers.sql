-- Values that programs write where they know nobody ('null', 'guest', zeros) are no identifiers: were they nodes, they would
-- join strangers. The same list stands in stitch/identifiers.py, and a test holds the two together.
ALTER TABLE ${database}.events_raw
    -- The installation: the device's id, else its anonymous id.
    MODIFY COLUMN device_node UInt64 MATERIALIZED multiIf(
        lower(device.id) NOT IN ('', '0', 'null', 'none', 'undefined', 'nan', 'unknown', 'anonymous', 'guest', 'test',
                                 '[object object]', '00000000-0000-0000-0000-000000000000'),
        sipHash64('device', '\0', device.id),
        lower(identifiers['anonymous']) NOT IN ('', '0', 'null', 'none', 'undefined', 'nan', 'unknown', 'anonymous', 'guest',
                                                'test', '[object object]', '00000000-0000-0000-0000-000000000000'),
        sipHash64('anonymous', '\0', identifiers['anonymous']),
        0),
    -- The deciding person-class identifier: user, e-mail, phone, then any other namespace in alphabetical order.
    MODIFY COLUMN person_node UInt64 MATERIALIZED if(
        ((arraySort(pair -> transform(pair.1, ['user', 'email', 'phone'], ['\0', '\1', '\2'], pair.1),
            arrayFilter(pair -> pair.1 NOT IN ('device', 'anonymous') AND lower(pair.2) NOT IN (
                '', '0', 'null', 'none', 'undefined', 'nan', 'unknown', 'anonymous', 'guest', 'test',
                '[object object]', '00000000-0000-0000-0000-000000000000'),
                CAST(identifiers, 'Array(Tuple(String, String))'))) AS persons)[1]).1 = '',
        0, sipHash64((persons[1]).1, '\0', (persons[1]).2));
