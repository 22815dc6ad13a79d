//! Forms: what may stand after `when`, and which settings each takes.

use super::table;

/// A form, by example.
#[derive(Debug)]
pub struct Form {
    /// What it is called.
    pub name: &'static str,
    /// What follows `when`.
    pub example: &'static str,
    /// When it matches.
    pub doc: &'static str,
}

/// The forms.
pub const FORMS: &[Form] = &[
    Form {
        name: "single",
        example: "process where process.name == \"nc\"",
        doc: "each event is an alert; with `by`, events of one key that follow one another within the cooldown are one",
    },
    Form {
        name: "threshold",
        example: "authentication where event.outcome == \"failure\" by source.ip within 5m having count() >= 10",
        doc: "so many events of one key, the first and the last of them at most `within` apart",
    },
    Form {
        name: "distinct",
        example: "authentication by source.ip within 30m having distinct(user.name) >= 15",
        doc: "so many different values",
    },
    Form {
        name: "aggregate",
        example: "network by host.name within 1h having sum(source.bytes) > 1GB and distinct(destination.ip) < 3",
        doc: "any condition over aggregates, asked at every event of the key over the window that ends with it",
    },
    Form {
        name: "bucket",
        example: "authentication by host.name every 1h having count() >= 1000",
        doc: "each stretch of time by itself, counted from midnight UTC",
    },
    Form {
        name: "sequence",
        example: concat!(
            "sequence by source.ip within 5m {\n",
            "  fail: authentication where event.outcome == \"failure\" having count() >= 3\n",
            "  ok:   authentication where event.outcome == \"success\"\n",
            "  until network where event.action == \"blocked\"\n",
            "}"
        ),
        doc: "one step after the other; an event of `until` in between breaks the chain",
    },
    Form {
        name: "absence",
        example: concat!(
            "sequence by host.name within 5m {\n",
            "  host where event.action == \"heartbeat\"\n",
            "  not host where event.action == \"heartbeat\"\n",
            "}"
        ),
        doc: "nothing of the `not` step happened until `within` after the step before it",
    },
    Form {
        name: "joined",
        example: concat!(
            "sequence within 1h {\n",
            "  made: iam where event.action == \"user-created\" on user.target.name\n",
            "  used: authentication where source.ip != made.source.ip on user.name\n",
            "}"
        ),
        doc: "steps with a key field each, and compared with fields of earlier steps",
    },
    Form {
        name: "all",
        example: concat!(
            "all by host.name within 1h {\n",
            "  scan: network having distinct(destination.port) >= 100\n",
            "  big:  network where destination.bytes > 1GB\n",
            "}"
        ),
        doc: "every step, in any order",
    },
    Form {
        name: "new",
        example: "authentication where event.outcome == \"success\" new (user.name, source.ip) over 30d learn 14d",
        doc: "a value (the last field) that its key (the others) did not have within `over`",
    },
    Form {
        name: "rare",
        example: "process rare (host.name, process.name) below 3 over 30d learn 7d",
        doc: "a value that its key had fewer times than `below` within `over`",
    },
    Form {
        name: "baseline",
        example: "network by user.name every 1h baseline sum(source.bytes) over 14d above 4 mad min 100MB",
        doc: "a bucket that stands out from the earlier buckets of its key",
    },
    Form {
        name: "alerts",
        example: "alert where risk > 0 by user.name within 24h having sum(risk) >= 50",
        doc: "alerts of other rules, in any of these forms but `new`, `rare` and `baseline`",
    },
];

table! {
    /// What follows a pattern.
    SETTINGS, SETTING_WORDS:
    "by" "by source.ip, host.name" "the key: events are counted, ordered and merged for each value by itself";
    "on" "on user.target.name" "the key field of one step, where steps have different ones";
    "within" "within 5m" "a window that slides with the events; both ends are included";
    "every" "every 1h" "a window that starts at multiples of its length, from midnight UTC";
    "having" "having count() >= 10" "what must be true of the events of the window";
    "new" "new (user.name, source.ip) over 30d" "a value never seen with its key";
    "rare" "rare (host.name, process.name) below 3 over 30d" "a value seldom seen with its key";
    "baseline" "baseline count() over 14d above 4 mad" "a bucket that stands out";
}

table! {
    /// What follows `new`, `rare` and `baseline`.
    TUNINGS, TUNING_WORDS:
    "over" "over 30d" "how far back it looks";
    "learn" "learn 14d" "how long a key must be known before it can match; without it a baseline learns as long as `over`, the others not at all";
    "above" "above 4 mad" "how far a bucket stands out, in `mad`, `sigma` or `times`";
    "below" "below 3" "fewer times than this";
    "min" "min 100MB" "buckets below this never stand out";
}

table! {
    /// The units of `above`.
    DEVIATIONS, DEVIATION_WORDS:
    "mad" "above 4 mad" "median absolute deviations above the median";
    "sigma" "above 3 sigma" "standard deviations above the mean";
    "times" "above 10 times" "times the mean";
}

table! {
    /// Words that join the parts of a rule or a list.
    JOINTS, JOINT_WORDS:
    "where" "authentication where event.outcome == \"failure\"" "only events for which the condition holds";
    "sequence" "sequence by source.ip within 5m { … }" "steps one after the other";
    "all" "all by host.name within 1h { … }" "steps in any order";
    "not" "not network where destination.port == 443" "a step of which there is nothing, before the next one or the window's end";
    "until" "until process where process.name == \"nc\"" "such an event breaks the chain";
    "expires" "except \"our scanner\" where source.ip == 10.0.0.5 expires 2027-01-01" "the exception holds for events before that day, UTC";
    "from" "list name from \"lists/name.txt\"" "the file of the list's values, in the rules folder";
}

/// Settings of one kind of event.
pub const SINGLE: &[&str] = &["by", "within", "every", "having", "new", "rare", "baseline"];
/// Settings before the brace of `sequence` and `all`.
pub const STEPS: &[&str] = &["by", "within"];
/// Settings of a step that happens.
pub const STEP: &[&str] = &["on", "having"];
/// Settings of a `not` step and of `until`.
pub const NO_STEP: &[&str] = &["on"];
/// Parameters of `new`.
pub const NEW: &[&str] = &["over", "learn"];
/// Parameters of `rare`.
pub const RARE: &[&str] = &["below", "over", "learn"];
/// Parameters of `baseline`.
pub const BASELINE: &[&str] = &["over", "above", "min", "learn"];
