-- Alerts that stand: raised and not ended, the most urgent first. With --as-of: those that stood then.
-- $unit text = '': only this unit
SELECT source, patient, unit, bed, alert, kind, last_priority AS priority, phase, raised_at, acknowledged_at, escalations
FROM episodes
WHERE ended_at IS NULL AND ($unit = '' OR unit = $unit)
ORDER BY CASE last_priority WHEN 'high' THEN 0 WHEN 'medium' THEN 1 ELSE 2 END, raised_at, source, alert
