//! What stands in a file, in a rule, before `where` and in a test.

use super::table;

table! {
    /// What stands at the top of a file.
    ITEMS, ITEM_WORDS:
    "rule" "rule name { … }" "what to look for and what to say about it; only `when` is required in it";
    "let" "let name = authentication where …" "a name for a pattern, known in all files of the folder";
    "list" "list name = (\"a\", 10.0.0.0/8)" "a list of texts, addresses and networks; `from \"lists/name.txt\"` reads one value a line, `#` for comments";
}

table! {
    /// The clauses of a rule; all but `except` and `test` at most once.
    CLAUSES, CLAUSE_WORDS:
    "title" "title \"{count} failed logins from {source.ip}\"" "the alert in a line, with holes: `{count}`, a field, a step's name and a field; `{{` is a brace; without it, the rule's name";
    "description" "description \"One address guesses.\"" "what happened and why it matters";
    "severity" "severity high" "how bad it is: `informational`, `low`, `medium` (when not said), `high` or `critical`";
    "attack" "attack T1110.001, T1078" "techniques of MITRE ATT&CK";
    "tags" "tags linux, \"two words\"" "marks to find alerts by";
    "runbook" "runbook \"Block the address.\"" "what to do when it fires";
    "falsepositives" "falsepositives \"backup jobs\"" "what is harmless and looks the same";
    "references" "references \"https://example.org/x\"" "where to read more";
    "author" "author \"Blue team\"" "who wrote it";
    "risk" "risk 20" "risk points that each alert adds to its key, 0 to 1000, for rules over alerts";
    "cooldown" "cooldown 1h" "matches of one key that follow one another within this time are one alert";
    "retro" "retro 30d" "when a list of the rule changes, the alerts of so much past change with it";
    "when" "when authentication where event.outcome == \"failure\"" "which events it looks for: one kind, a `sequence` of steps, or `all` of several";
    "except" "except \"our scanner\" where source.ip == 10.0.0.5 expires 2027-01-01" "events that the rule does not see, and why; with `expires`, those before that day, UTC";
    "test" "test \"one is enough\" { @0s authentication { event.outcome: \"failure\" } expect 1 }" "events, and how many alerts come of them";
}

table! {
    /// The categories of the Elastic Common Schema: they stand before `where`.
    CATEGORY_TABLE, CATEGORIES:
    "api" "api" "calls of an interface, of a cloud or an operating system";
    "authentication" "authentication" "logins and logouts, tries included";
    "configuration" "configuration" "changes of settings";
    "database" "database" "statements and sessions of databases";
    "driver" "driver" "drivers of the operating system";
    "email" "email" "messages sent and received";
    "file" "file" "files made, read, changed, removed";
    "host" "host" "machines and devices: start, stop, health, controllers";
    "iam" "iam" "accounts, groups and their rights";
    "intrusion_detection" "intrusion_detection" "what another detector said";
    "library" "library" "libraries loaded into processes";
    "malware" "malware" "what a virus scanner said";
    "network" "network" "connections and packets, name look-ups";
    "package" "package" "software installed and removed";
    "process" "process" "programs started and ended";
    "registry" "registry" "the registry of Windows";
    "session" "session" "sessions opened and closed";
    "threat" "threat" "indicators and what they met";
    "vulnerability" "vulnerability" "findings of scanners";
    "web" "web" "requests to web servers";
}

table! {
    /// What else stands before `where`, beside categories and names of `let`s.
    SOURCES, SOURCE_WORDS:
    "any" "any where message contains \"segfault\"" "every event, whatever its category";
    "alert" "alert where risk > 0" "the alerts of other rules";
}

table! {
    /// What stands in a test.
    TESTING, TEST_WORDS:
    "@" "@5m authentication { source.ip: 198.51.100.7 }" "an event, so long after the test's start or at a time, of a category, with fields; `alert` for an alert of another rule";
    "x" "@0s x3 every 1s authentication { }" "so many of it, `every` so long";
    "late" "@30s late network { }" "arrives after the events of the lines behind it, with its own time";
    "expect" "expect 1 { source.ip: 198.51.100.7 }" "how many alerts there are when all windows are over, and fields of their key";
    "then" "expect 1 then 0" "how many before anything late came, and how many after each late line";
}
