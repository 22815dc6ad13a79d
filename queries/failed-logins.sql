-- title: Failed logins
-- description: Addresses with failed logins, how many accounts they tried, and whether one of them let them in.
-- param since: timestamp = all    Only events from this time on
-- param limit: int = 20           How many rows
SELECT
    source.ip AS source,
    count(*) FILTER (event.outcome = 'failure') AS failures,
    count(DISTINCT user.name) FILTER (event.outcome = 'failure') AS accounts,
    count(*) FILTER (event.outcome = 'success') AS successes,
    min(ts) AS first,
    max(ts) AS last
FROM events
WHERE ts >= $since AND list_contains(event.category, 'authentication') AND source.ip IS NOT NULL
GROUP BY source.ip
HAVING failures > 0
ORDER BY failures DESC, source
LIMIT $limit
