-- title: One event
-- description: All of an event, found by the id that an alert's evidence names.
-- param id: text                  Event id
SELECT *
FROM events
WHERE event.id = $id::UUID
