-- Feeds that fell silent and sensors that gave nothing, by hour in which it was told.
-- $unit text = '': only this unit
SELECT date_trunc('hour', raised_at) AS hour, kind, count(*) AS alerts,
       count(DISTINCT source || ' ' || patient) AS patients,
       count(*) FILTER (WHERE ended_at IS NULL) AS still_open
FROM episodes
WHERE technical AND ($unit = '' OR unit = $unit)
GROUP BY 1, 2
ORDER BY 1, 2
