-- Alerts that were withheld, by kind and first reason, and what became of them.
SELECT kind, reason, count(*) AS alerts,
       count(*) FILTER (WHERE fate = 'released') AS released,
       count(*) FILTER (WHERE fate = 'ended') AS ended_untold,
       count(*) FILTER (WHERE fate = 'withheld') AS still_withheld
FROM (
    SELECT source, alert, first_value(kind ORDER BY sequence) AS kind,
           first_value(reason ORDER BY sequence) AS reason, last_value(fate ORDER BY sequence) AS fate
    FROM withheld GROUP BY source, alert
)
GROUP BY kind, reason
ORDER BY alerts DESC, kind, reason
