-- The patients whose risk rose the most over the last hours: the last risk against the lowest within them.
-- $head text = 'sepsis': sepsis, deterioration, death, seizure or hypoglycaemia
-- $hours number = 6: how far back
-- $most number = 20: how many
WITH risk AS (
    SELECT source, patient, unit, bed, at,
           CASE WHEN $head = 'sepsis' THEN sepsis_risk WHEN $head = 'deterioration' THEN deterioration_risk
                WHEN $head = 'death' THEN death_risk WHEN $head = 'seizure' THEN seizure_risk
                WHEN $head = 'hypoglycaemia' THEN hypoglycaemia_risk END AS value
    FROM risks
),
ends AS (SELECT source, patient, max(at) AS until FROM risk WHERE value IS NOT NULL GROUP BY source, patient),
stretch AS (
    SELECT risk.*, ends.until FROM risk JOIN ends ON risk.source = ends.source AND risk.patient = ends.patient
    WHERE value IS NOT NULL AND date_part('epoch', ends.until) - date_part('epoch', risk.at) <= $hours * 3600.0
),
rises AS (
    SELECT source, patient, last_value(unit ORDER BY at) AS unit, last_value(bed ORDER BY at) AS bed,
           max(until) AS at, min(value) AS lowest, last_value(value ORDER BY at) AS now
    FROM stretch GROUP BY source, patient
)
SELECT source, patient, unit, bed, at, round(lowest, 4) AS lowest, round(now, 4) AS now, round(now - lowest, 4) AS rise
FROM (SELECT *, row_number() OVER (ORDER BY now - lowest DESC, source, patient) AS nth FROM rises)
WHERE nth <= $most
ORDER BY nth
