-- title: Alerts by rule
-- description: How many alerts of each rule stand.
-- param since: timestamp = all    Only alerts that end at this time or later
SELECT
    rule,
    severity,
    count(*) AS alerts,
    sum(count)::BIGINT AS events,
    min(first) AS first,
    max(last) AS last
FROM alerts
WHERE last >= $since
GROUP BY ALL
ORDER BY alerts DESC, rule
