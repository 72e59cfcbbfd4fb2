-- What was known of a patient, or of who lay last in a bed: the latest value of each signal that stands, when it was true, since when it was known, and its age in minutes at the last moment of the archive. With --as-of: what was known then.
-- $patient text = '': the patient's pseudonymous key
-- $bed text = '': the bed, where the key is not at hand
WITH now AS (SELECT greatest((SELECT max(available) FROM events), (SELECT max(at) FROM frames)) AS at),
whose AS (
    SELECT source, patient, unit, bed FROM (
        SELECT *, row_number() OVER (PARTITION BY source, unit, bed ORDER BY last_at DESC, patient) AS back FROM stays
    )
    WHERE ($patient <> '' AND patient = $patient) OR ($patient = '' AND $bed <> '' AND bed = $bed AND back = 1)
),
ranked AS (
    SELECT m.source, m.patient, whose.unit, whose.bed, m.kind, m.name, m.value, m.value_unit, m.detail, m.event_time,
           m.available, row_number() OVER (PARTITION BY m.source, m.patient, m.name ORDER BY m.event_time DESC) AS back
    FROM measurements m JOIN whose ON m.source = whose.source AND m.patient = whose.patient
)
SELECT ranked.source, patient, unit, bed, kind, name, value, value_unit, detail, event_time, available,
       round((date_part('epoch', now.at) - date_part('epoch', event_time)) / 60.0, 1) AS age_minutes
FROM ranked CROSS JOIN now
WHERE back = 1
ORDER BY ranked.source, patient, kind, name
