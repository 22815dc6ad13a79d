-- title: Top paths
-- description: Paths that are asked for most, how much was sent, and how often it failed.
-- param since: timestamp = all    Only events from this time on
-- param limit: int = 20           How many rows
SELECT
    url.path AS path,
    count(*) AS requests,
    count(DISTINCT source.ip) AS sources,
    count(*) FILTER (http.response.status_code >= 400) AS errors,
    sum(http.response.body.bytes)::BIGINT AS bytes
FROM events
WHERE ts >= $since AND url.path IS NOT NULL
GROUP BY url.path
ORDER BY requests DESC, path
LIMIT $limit
