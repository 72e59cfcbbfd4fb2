-- Every message of one alert, in its order, with its words.
-- $alert text: the alert's id
SELECT sequence, at, phase, priority, escalations, last_feedback, decided_by, decided_by_version, rule, written_by,
       rationale
FROM alerts
WHERE alert = $alert
ORDER BY source, sequence
