-- The latest vital signs of each patient, by bed: values of the last hours of the archive that stand.
-- $hours number = 4: nothing older than so many hours before the last moment of the archive
-- $unit text = '': only this unit
WITH now AS (SELECT max(available) AS at FROM events),
ranked AS (
    SELECT m.source, m.patient, stays.unit, stays.bed, m.name, m.value, m.event_time,
           row_number() OVER (PARTITION BY m.source, m.patient, m.name ORDER BY m.event_time DESC) AS back
    FROM measurements m CROSS JOIN now JOIN stays ON m.source = stays.source AND m.patient = stays.patient
    WHERE m.kind = 'vital' AND ($unit = '' OR stays.unit = $unit)
      AND date_part('epoch', now.at) - date_part('epoch', m.event_time) <= $hours * 3600.0
)
SELECT source, patient, unit, bed, max(event_time) AS latest_at,
       max(CASE WHEN name = 'heart_rate' THEN value END) AS heart_rate,
       max(CASE WHEN name = 'resp_rate' THEN value END) AS resp_rate,
       max(CASE WHEN name = 'spo2' THEN value END) AS spo2,
       max(CASE WHEN name = 'abp_mean' THEN value END) AS abp_mean,
       max(CASE WHEN name = 'nibp_mean' THEN value END) AS nibp_mean,
       max(CASE WHEN name = 'temperature' THEN value END) AS temperature
FROM ranked WHERE back = 1
GROUP BY source, patient, unit, bed
ORDER BY unit, bed, source, patient
