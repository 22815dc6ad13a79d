-- title: Top users
-- description: Accounts that appear in most events, and from how many addresses.
-- param since: timestamp = all    Only events from this time on
-- param limit: int = 20           How many rows
SELECT
    user.name AS account,
    count(*) AS events,
    count(*) FILTER (event.outcome = 'success') AS successes,
    count(*) FILTER (event.outcome = 'failure') AS failures,
    count(DISTINCT source.ip) AS sources,
    max(ts) AS last
FROM events
WHERE ts >= $since AND user.name IS NOT NULL
GROUP BY user.name
ORDER BY events DESC, account
LIMIT $limit
