//! Forms in words: what a match is, what each step asks for, what is kept in memory for it.

use super::super::plan::{Aggregate, Bound, Compare, Deviation, Form, Having, Residual, Rule, Stage, Window};
use super::{duration, names};

/// What a match is.
pub(super) fn words(rule: &Rule) -> String {
    match &rule.form {
        Form::Single => "every event is an alert".to_owned(),
        Form::Threshold { within: 0, count: 1 } => "every event, merged by key".to_owned(),
        Form::Threshold { within, count } => format!("{count} events within {}", duration(*within)),
        Form::Distinct { within, count, slot } => {
            format!("{count} values of {} within {}", rule.payload[*slot].name(), duration(*within))
        }
        Form::Aggregate { window: Window::Sliding(length), having } => {
            format!("{} over the {} up to an event", self::having(rule, having, false), duration(*length))
        }
        Form::Aggregate { window: Window::Tumbling(length), having } => {
            format!("{} in a bucket of {}, up to an event", self::having(rule, having, false), duration(*length))
        }
        Form::Sequence { within, stages, .. } if stages.last() == Some(&Stage::Absent) => {
            format!("steps in order, and nothing of the last one until {} after the first event", duration(*within))
        }
        Form::Sequence { within, .. } => format!("steps in order within {}", duration(*within)),
        Form::All { within, .. } => format!("all steps within {}, in any order", duration(*within)),
        Form::Novel { over, learn, fewer_than, slot } => {
            let seen = match fewer_than {
                1 => "not seen".to_owned(),
                2 => "seen at most once".to_owned(),
                n => format!("seen fewer than {n} times"),
            };
            let value = rule.payload[*slot].name();
            format!("a value of {value} {seen} in the {} before{}", duration(*over), known(rule, *learn))
        }
        Form::Baseline { every, over, learn, aggregate, above, least } => {
            let least = least.map_or_else(String::new, |n| format!(", and at least {n}"));
            format!(
                "{} of a bucket of {} above {}{least}, by the buckets of the {} before{}",
                self::aggregate(rule, *aggregate),
                duration(*every),
                deviation(*above),
                duration(*over),
                known(rule, *learn)
            )
        }
    }
}

fn known(rule: &Rule, learn: i64) -> String {
    match (learn, rule.key.is_empty()) {
        (0, _) => String::new(),
        (learn, true) => format!("; not in the first {}", duration(learn)),
        (learn, false) => format!("; not in a key's first {}", duration(learn)),
    }
}

fn deviation(above: Deviation) -> String {
    match above {
        Deviation::Mad(k) => format!("the median by {} median absolute deviations", decimal(k)),
        Deviation::Sigma(k) => format!("the mean by {} standard deviations", decimal(k)),
        Deviation::Times(k) => format!("{} times the mean", decimal(k)),
    }
}

/// Thousandths, without needless zeros.
fn decimal(thousandths: i64) -> String {
    let text = format!("{}.{:03}", thousandths / 1000, thousandths % 1000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// What a step asks for, or what it is for.
pub(super) fn step(rule: &Rule, step: usize) -> String {
    let asked = |having: &Having| match having.only_count() {
        Some(count) => format!(" x{count}"),
        None => format!(" having {}", self::having(rule, having, false)),
    };
    match &rule.form {
        Form::Sequence { until: Some(until), .. } if *until == step => " breaks the chain".to_owned(),
        Form::Sequence { stages, .. } => match &stages[step] {
            Stage::Present(having) => asked(having),
            Stage::Absent => " must not happen".to_owned(),
        },
        Form::All { stages, .. } => asked(&stages[step]),
        Form::Single
        | Form::Threshold { .. }
        | Form::Distinct { .. }
        | Form::Aggregate { .. }
        | Form::Novel { .. }
        | Form::Baseline { .. } => String::new(),
    }
}

/// A condition on aggregates, as it is written in a rule.
fn having(rule: &Rule, having: &Having, inner: bool) -> String {
    let join = |parts: &[Having], word: &str| {
        let joined = parts.iter().map(|p| self::having(rule, p, true)).collect::<Vec<_>>().join(word);
        if inner { format!("({joined})") } else { joined }
    };
    match having {
        Having::Bound(Bound { aggregate, compare, value }) => {
            format!("{} {} {value}", self::aggregate(rule, *aggregate), symbol(*compare))
        }
        Having::And(parts) => join(parts, " and "),
        Having::Or(parts) => join(parts, " or "),
    }
}

fn aggregate(rule: &Rule, aggregate: Aggregate) -> String {
    let name = |slot: usize| rule.payload[slot].name();
    match aggregate {
        Aggregate::Count => "count()".to_owned(),
        Aggregate::Distinct { slot } => format!("distinct({})", name(slot)),
        Aggregate::Sum { slot, .. } => format!("sum({})", name(slot)),
        Aggregate::Average { slot } => format!("avg({})", name(slot)),
        Aggregate::Least { slot } => format!("min({})", name(slot)),
        Aggregate::Greatest { slot } => format!("max({})", name(slot)),
        Aggregate::Percentile { slot, thousandths } => {
            format!("percentile({}, {})", name(slot), decimal(i64::from(thousandths)))
        }
    }
}

fn symbol(compare: Compare) -> &'static str {
    match compare {
        Compare::Equal => "==",
        Compare::Unequal => "!=",
        Compare::Less => "<",
        Compare::AtMost => "<=",
        Compare::Greater => ">",
        Compare::AtLeast => ">=",
    }
}

/// The conditions between steps.
pub(super) fn residuals(rule: &Rule) -> Vec<String> {
    let Form::Sequence { residuals, .. } = &rule.form else { return Vec::new() };
    let words = |r: &Residual| {
        let value = |slot: usize, step: usize| format!("{} of step {step}", rule.payload[slot].name());
        let compared = format!("{} {} {}", value(r.slot, r.step), symbol(r.compare), value(r.other_slot, r.other));
        if r.negated { format!("not {compared}") } else { compared }
    };
    residuals.iter().map(words).collect()
}

/// What stays in memory; events that may still come late add to it.
pub(super) fn keeps(rule: &Rule) -> String {
    match (state(rule), rule.retro) {
        (state, 0) => state.unwrap_or_else(|| "nothing".to_owned()),
        (None, retro) => format!("for its lists, events of the last {}", duration(retro)),
        (Some(state), retro) => format!("{state}; for its lists, events of the last {}", duration(retro)),
    }
}

fn state(rule: &Rule) -> Option<String> {
    let key = names(&rule.key);
    let by = if key.is_empty() { String::new() } else { format!(", by {key}") };
    let cooldown = duration(rule.cooldown);
    let events = |what: &str, within: i64| match (within, rule.cooldown) {
        (0, 0) => format!("{what} of the same instant{by}"),
        (0, _) => format!("{what} of the last {cooldown}{by}"),
        (within, 0) => format!("{what} of the last {}{by}", duration(within)),
        (within, _) => format!("{what} of the last {} + {cooldown}{by}", duration(within)),
    };
    Some(match &rule.form {
        Form::Single => return None,
        Form::Threshold { within, .. } | Form::Distinct { within, .. } => events("events", *within),
        Form::Aggregate { window, .. } => events("events", window.length()),
        Form::Sequence { within, .. } | Form::All { within, .. } => events("events of all steps", *within),
        Form::Novel { over, learn, slot, .. } => {
            let (value, reach) = (rule.payload[*slot].name(), duration(over.saturating_add(*learn)));
            format!("the values of {value} of the last {reach}{by}, with their times")
        }
        Form::Baseline { every, over, learn, .. } => format!(
            "a figure for each {} of the last {}, and the events of the present one{by}",
            duration(*every),
            duration(over.saturating_add(*learn))
        ),
    })
}
