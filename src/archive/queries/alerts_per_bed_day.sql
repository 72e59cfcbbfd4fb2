-- Alerts raised per bed-day, by kind and priority at first; a bed-day is a day that a patient was there.
-- $unit text = '': only this unit
SELECT kind, priority, technical, count(*) AS alerts, count(DISTINCT source || ' ' || patient) AS patients,
       round((SELECT sum(days) FROM stays WHERE $unit = '' OR unit = $unit), 3) AS bed_days,
       round(count(*) / nullif((SELECT sum(days) FROM stays WHERE $unit = '' OR unit = $unit), 0), 4)
           AS alerts_per_bed_day
FROM episodes
WHERE $unit = '' OR unit = $unit
GROUP BY kind, priority, technical
ORDER BY alerts DESC, kind, priority
