-- How many alerts were raised in each hour of the day (UTC), clinical and technical, and how many a bed and day that is.
-- $unit text = '': only this unit
SELECT CAST(date_part('hour', raised_at) AS INTEGER) AS hour,
       count(*) FILTER (WHERE NOT technical) AS clinical,
       count(*) FILTER (WHERE technical) AS technical,
       count(*) FILTER (WHERE priority = 'high') AS high_priority,
       round(count(*) FILTER (WHERE NOT technical)
             / nullif((SELECT sum(days) FROM stays WHERE $unit = '' OR unit = $unit), 0), 4) AS clinical_per_bed_day
FROM episodes
WHERE $unit = '' OR unit = $unit
GROUP BY 1
ORDER BY 1
