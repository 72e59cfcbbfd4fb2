-- Laboratory results by how long they took from the sample to us, and how many took longer than so many minutes.
-- $minutes number = 60: a result later than this is late
SELECT name, count(*) AS results,
       count(*) FILTER (WHERE minutes > $minutes) AS late,
       round(median(minutes), 1) AS median_minutes,
       round(approx_percentile_cont(0.9) WITHIN GROUP (ORDER BY minutes), 1) AS p90_minutes,
       round(max(minutes), 1) AS longest_minutes
FROM (
    SELECT name, (date_part('epoch', available) - date_part('epoch', event_time)) / 60.0 AS minutes
    FROM events WHERE kind = 'lab'
)
GROUP BY name
ORDER BY late DESC, results DESC, name
