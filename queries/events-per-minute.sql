-- title: Events over time
-- description: Events of each dataset in each span of time.
-- param since: timestamp = all    Only events from this time on
-- param span: duration = 1m       Width of a span
SELECT
    time_bucket($span, ts) AS span,
    event.dataset AS dataset,
    count(*) AS events
FROM events
WHERE ts >= $since
GROUP BY ALL
ORDER BY span, dataset
