//! The words of the language, each with the sentence that an editor shows for it.

/// A word and what it says.
pub(crate) struct Entry {
    /// The word.
    pub(crate) word: &'static str,
    /// How it is written.
    pub(crate) form: &'static str,
    /// What it means.
    pub(crate) doc: &'static str,
}

macro_rules! words {
    ($($word:literal $form:literal $doc:literal;)*) => { &[$(Entry { word: $word, form: $form, doc: $doc },)*] };
}

/// What stands at the top of a file.
pub(crate) const ITEMS: &[Entry] = words! {
    "rule" "rule name { … }" "A rule: which events it looks for, and what to say about them. Only `when` is required.";
    "let" "let name = category where …" "Names a pattern, for all files of the folder.";
    "list" "list name = (…)  or  list name from \"lists/name.txt\"" "Names values that conditions ask with `in`. A file has one value a line.";
};

/// The clauses of a rule.
pub(crate) const CLAUSES: &[Entry] = words! {
    "title" "title \"{count} failed logins from {source.ip}\"" "What an alert is called. `{count}`, a field, or a step and a field fill its holes.";
    "description" "description \"…\"" "A longer text for whoever reads the alert.";
    "severity" "severity high" "`informational`, `low`, `medium` (when not said), `high` or `critical`.";
    "attack" "attack T1110.001, T1078" "The ATT&CK techniques that the rule finds.";
    "tags" "tags linux, ssh" "Words to group rules and alerts by.";
    "runbook" "runbook \"…\"" "What to do about an alert.";
    "falsepositives" "falsepositives \"backup jobs\"" "What raises the rule without an attack.";
    "references" "references \"https://…\"" "Where more is written about it.";
    "author" "author \"…\"" "Who wrote the rule.";
    "risk" "risk 20" "Points from 0 to 1000 that an alert adds to its user, host or address, for rules over alerts.";
    "cooldown" "cooldown 1h" "Matches of one key that follow one another within this time are one alert.";
    "retro" "retro 30d" "When a list of the rule changes, the alerts of so much past change with it.";
    "when" "when …" "Which events the rule looks for: one kind, a `sequence` of steps, or `all` of several.";
    "except" "except \"reason\" where … expires 2027-01-01" "Events that the rule does not see; with `expires`, those before that day.";
    "test" "test \"name\" { @0s authentication { … } expect 1 }" "Events made for a test, and how many alerts they raise.";
};

/// What follows a pattern, what is needed most first.
pub(crate) const SETTINGS: &[Entry] = words! {
    "where" "where condition" "Only events for which the condition holds.";
    "by" "by source.ip, user.name" "The key: events are counted and joined for each of its values by themselves.";
    "on" "on user.name" "The key of this step, where steps have their key in different fields.";
    "within" "within 5m" "A sliding window: from the first event to the last at most so long, both ends included.";
    "every" "every 1h" "A window that starts anew: each hour by itself, from midnight UTC.";
    "having" "having count() >= 10" "What a window's events must amount to.";
    "new" "new (user.name, source.ip) over 30d learn 14d" "The last field's value was not seen with the others for so long.";
    "rare" "rare (host.name, process.name) below 3 over 30d" "The last field's value was seen with the others fewer times than that.";
    "baseline" "baseline sum(source.bytes) over 14d above 4 mad" "A bucket that stands out from the same key's earlier ones.";
};

/// Parameters of `new`, `rare` and `baseline`.
pub(crate) const TUNINGS: &[Entry] = words! {
    "over" "over 30d" "How far back is looked.";
    "learn" "learn 14d" "How long a key is watched before anything is said about it.";
    "above" "above 4 mad" "How far above the earlier ones: `mad`, `sigma` or `times`.";
    "below" "below 3" "Seen fewer times than this.";
    "min" "min 100MB" "Never below this value, however much it stands out.";
};

/// What is computed over a window.
pub(crate) const AGGREGATES: &[Entry] = words! {
    "count" "count()" "How many events there are.";
    "distinct" "distinct(user.name)" "How many different values the field has.";
    "sum" "sum(source.bytes)" "The field's values added up.";
    "avg" "avg(source.bytes)" "The mean of the field's values.";
    "min" "min(source.bytes)" "The least of the field's values.";
    "max" "max(source.bytes)" "The greatest of the field's values.";
    "percentile" "percentile(source.bytes, 95)" "The value that so many of a hundred do not exceed.";
};

/// Operators of comparisons.
pub(crate) const OPERATORS: &[Entry] = words! {
    "==" "user.name == \"root\"" "Equal; text whatever its case, `c\"Root\"` exactly.";
    "!=" "user.name != \"root\"" "Not equal; true where there is no value.";
    "in" "source.ip in 10.0.0.0/8" "One of several values, of a list, or in a network.";
    "not in" "not in (\"a\", \"b\")" "None of several values; true where there is no value.";
    "like" "process.executable like \"*\\\\temp\\\\*.exe\"" "The whole text fits: `*` is any run of characters, `?` any one.";
    "contains" "url.path contains \"..\"" "The text is somewhere in it.";
    "startswith" "url.path startswith \"/admin\"" "It starts with the text.";
    "endswith" "file.name endswith \".exe\"" "It ends with the text.";
    "~" "url.path ~ /\\.php$/i" "A regular expression fits somewhere in it; `i` ignores case.";
    "<" "destination.port < 1024" "Less than.";
    "<=" "destination.port <= 1023" "At most.";
    ">" "network.bytes > 1GB" "More than.";
    ">=" "@timestamp >= 2027-01-01" "At least.";
};

/// All the others.
pub(crate) const OTHERS: &[Entry] = words! {
    "and" "a and b" "Both hold. Binds more tightly than `or`.";
    "or" "a or b" "One of them holds.";
    "not" "not condition; as a step: not category where …" "It does not hold. A `not` step: nothing of it until the window ends.";
    "exists" "exists source.ip" "There is a value.";
    "sequence" "sequence by source.ip within 5m { … }" "Steps one after the other.";
    "all" "all by host.name within 1h { … }" "Steps in any order.";
    "until" "until category where …" "Such an event breaks the chain.";
    "expires" "expires 2027-01-01" "The exception holds for events before that day (UTC).";
    "from" "list name from \"lists/name.txt\"" "The file of the list's values, in the rules folder.";
    "any" "any where …" "Events of every category.";
    "alert" "alert where risk > 0" "Alerts of other rules.";
    "expect" "expect 1 { source.ip: 198.51.100.7 }" "How many alerts, and their key.";
    "then" "expect 1 then 0" "How many alerts there are once late events have come.";
    "late" "@30s late network { … }" "The event arrives after those of the following lines.";
    "mad" "above 4 mad" "Median absolute deviations above the median.";
    "sigma" "above 3 sigma" "Standard deviations above the mean.";
    "times" "above 10 times" "Times the mean.";
    "true" "true" "Always holds.";
    "false" "false" "Never holds.";
};

/// The entry of a word in one of the tables.
pub(crate) fn find(tables: &[&'static [Entry]], word: &str) -> Option<&'static Entry> {
    tables.iter().flat_map(|table| table.iter()).find(|entry| entry.word == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_keyword_of_the_grammar_is_told() {
        let grammar = include_str!("../rule/grammar.pest");
        let reserved = &grammar[grammar.find("reserved = ").unwrap()..];
        let known = [ITEMS, CLAUSES, SETTINGS, TUNINGS, AGGREGATES, OPERATORS, OTHERS];
        let words = reserved.split('"').skip(1).step_by(2).filter(|word| *word != ".");
        let missing: Vec<&str> = words.filter(|word| find(&known, word).is_none()).collect();
        assert_eq!(missing, Vec::<&str>::new());
    }
}
