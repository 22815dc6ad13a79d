-- title: Web errors
-- description: Responses of 400 and above, by status and path.
-- param since: timestamp = all    Only events from this time on
-- param status: int = 400         Least status
-- param limit: int = 20           How many rows
SELECT
    http.response.status_code AS status,
    url.path AS path,
    count(*) AS responses,
    count(DISTINCT source.ip) AS sources,
    max(ts) AS last
FROM events
WHERE ts >= $since AND http.response.status_code >= $status
GROUP BY ALL
ORDER BY responses DESC, status, path
LIMIT $limit
