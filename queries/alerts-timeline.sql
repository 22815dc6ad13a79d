-- title: Alerts over time
-- description: Alerts that began in each span of time, by severity.
-- param since: timestamp = all    Only alerts that began at this time or later
-- param span: duration = 1h       Width of a span
SELECT
    time_bucket($span, first) AS span,
    count(*) AS alerts,
    count(*) FILTER (severity = 'critical') AS critical,
    count(*) FILTER (severity = 'high') AS high,
    count(*) FILTER (severity = 'medium') AS medium,
    count(*) FILTER (severity IN ('low', 'informational')) AS lower
FROM alerts
WHERE first >= $since
GROUP BY ALL
ORDER BY span
