-- The alerts that waited longest for a person, or waited in vain: from raised to seen, to the end, or to the last moment of the archive.
-- $most number = 20: how many
WITH now AS (SELECT greatest((SELECT max(at) FROM alerts), (SELECT max(at) FROM frames)) AS at),
waited AS (
    SELECT episodes.*, coalesce(acknowledged_at, ended_at, now.at) AS until FROM episodes CROSS JOIN now
)
SELECT source, patient, unit, bed, alert, kind, priority, raised_at, acknowledged_at, ended_at, escalations,
       round((date_part('epoch', until) - date_part('epoch', raised_at)) / 60.0, 1) AS waited_minutes
FROM (
    SELECT *, row_number() OVER (
        ORDER BY date_part('epoch', until) - date_part('epoch', raised_at) DESC, raised_at, source, alert
    ) AS nth FROM waited
)
WHERE nth <= $most
ORDER BY nth
