//! A rule in one sentence. In: a rule of the plan. Out: text.

use super::near::{sign, step_name};
use super::value::{amount, is_bytes};
use crate::rule::explain::duration;
use crate::rule::plan::{Aggregate, Bound, Deviation, FieldRef, Form, Having, Residual, Rule, Stage, Window};

/// What the rule looks at, in a word.
pub(super) fn noun(rule: &Rule) -> &'static str {
    if rule.level > 0 { "alert" } else { "event" }
}

/// What the rule looks for.
pub(super) fn rule(rule: &Rule) -> String {
    let by = match &rule.key[..] {
        [] => String::new(),
        key => format!(" by {}", key.iter().map(FieldRef::name).collect::<Vec<_>>().join(", ")),
    };
    let noun = noun(rule);
    let mut text = match &rule.form {
        Form::Single => format!("every {noun} of its kind is an alert"),
        Form::Threshold { within: 0, count: 1 } => format!("every {noun} of its kind{by}"),
        Form::Threshold { within, count } => format!("{count} {noun}s or more{by} within {}", duration(*within)),
        Form::Distinct { within, count, slot } => {
            format!("{count} different {} or more{by} within {}", field(&rule.payload, *slot), duration(*within))
        }
        Form::Aggregate { window: w, having } => format!("{}{by} {}", self::having(having, &rule.payload), window(*w)),
        Form::Sequence { within, stages, until, residuals } => {
            let stages = stages.iter().enumerate().map(|(step, stage)| self::stage(rule, step, stage));
            let mut text = format!("{}{by} within {}", stages.collect::<Vec<_>>().join(", then "), duration(*within));
            if let Some(until) = until {
                text.push_str(&format!(", unless {} comes between", step_name(rule, *until)));
            }
            for condition in residuals {
                text.push_str(&format!(", where {}", residual(rule, condition)));
            }
            text
        }
        Form::All { within, stages } => {
            let stages = stages.iter().enumerate().map(|(step, having)| present(rule, step, having));
            let stages = stages.collect::<Vec<_>>().join(" and ");
            format!("{stages}, in any order{by} within {}", duration(*within))
        }
        Form::Novel { over, learn, fewer_than, slot } => {
            let seen =
                if *fewer_than <= 1 { "not seen".to_owned() } else { format!("seen fewer than {fewer_than} times") };
            let (value, over, learn) = (field(&rule.payload, *slot), duration(*over), duration(*learn));
            format!("a {value}{by} that was {seen} in the {over} before, once the key is known for {learn}")
        }
        Form::Baseline { every, over, aggregate: a, above, least, .. } => {
            let least = least.map_or(String::new(), |l| format!(", and at least {}", figure(*a, &rule.payload, l)));
            let (name, every, over) = (aggregate(*a, &rule.payload), duration(*every), duration(*over));
            format!("{name}{by} of {every} above what was usual for {over} by {}{least}", deviation(*above))
        }
    };
    if rule.cooldown > 0 {
        text.push_str(&format!("; cooldown {}", duration(rule.cooldown)));
    }
    text
}

fn stage(rule: &Rule, step: usize, stage: &Stage) -> String {
    match stage {
        Stage::Present(having) => present(rule, step, having),
        Stage::Absent => format!("no {}", step_name(rule, step)),
    }
}

fn present(rule: &Rule, step: usize, having: &Having) -> String {
    match having.only_count() {
        Some(0 | 1) => step_name(rule, step),
        Some(count) => format!("{} {count} times", step_name(rule, step)),
        None => format!("{} with {}", step_name(rule, step), self::having(having, &rule.payload)),
    }
}

/// `within 5m`, `in one hour of the clock`
pub(super) fn window(window: Window) -> String {
    match window {
        Window::Sliding(length) => format!("within {}", duration(length)),
        Window::Tumbling(length) => format!("in one bucket of {}", duration(length)),
    }
}

/// `sum(source.bytes) >= 100 MB and count() > 3`
pub(super) fn having(having: &Having, payload: &[FieldRef]) -> String {
    let join = |parts: &[Having], word: &str| {
        let part = |h: &Having| match h {
            Having::Bound(_) => self::having(h, payload),
            Having::And(_) | Having::Or(_) => format!("({})", self::having(h, payload)),
        };
        parts.iter().map(part).collect::<Vec<_>>().join(word)
    };
    match having {
        Having::Bound(bound) => self::bound(bound, payload),
        Having::And(all) => join(all, " and "),
        Having::Or(any) => join(any, " or "),
    }
}

fn bound(bound: &Bound, payload: &[FieldRef]) -> String {
    let Bound { aggregate: a, compare, value } = bound;
    format!("{} {} {}", aggregate(*a, payload), sign(*compare), figure(*a, payload, *value))
}

/// A value of an aggregate.
pub(super) fn figure(aggregate: Aggregate, payload: &[FieldRef], value: i128) -> String {
    let slot = super::near::slot(aggregate).filter(|_| !matches!(aggregate, Aggregate::Distinct { .. }));
    amount(value, slot.and_then(|s| payload.get(s)).is_some_and(is_bytes))
}

/// `sum(source.bytes)`
pub(super) fn aggregate(aggregate: Aggregate, payload: &[FieldRef]) -> String {
    match aggregate {
        Aggregate::Count => "count()".to_owned(),
        Aggregate::Distinct { slot } => format!("distinct({})", field(payload, slot)),
        Aggregate::Sum { slot, .. } => format!("sum({})", field(payload, slot)),
        Aggregate::Average { slot } => format!("avg({})", field(payload, slot)),
        Aggregate::Least { slot } => format!("min({})", field(payload, slot)),
        Aggregate::Greatest { slot } => format!("max({})", field(payload, slot)),
        Aggregate::Percentile { slot, thousandths } => {
            format!("percentile({}, {})", field(payload, slot), thousands(i64::from(thousandths)))
        }
    }
}

fn field(payload: &[FieldRef], slot: usize) -> String {
    payload.get(slot).map_or_else(|| format!("value {slot}"), FieldRef::name)
}

/// `login.source.ip != made.source.ip`
pub(super) fn residual(rule: &Rule, residual: &Residual) -> String {
    let Residual { step, slot, compare, negated, other, other_slot, .. } = residual;
    let side = |step: usize, slot: usize| match rule.steps.get(step).and_then(|s| s.name.as_deref()) {
        Some(name) => format!("{name}.{}", field(&rule.payload, slot)),
        None => format!("{} of step {}", field(&rule.payload, slot), step + 1),
    };
    let (left, right) = (side(*step, *slot), side(*other, *other_slot));
    match (negated, sign(*compare)) {
        (true, "==") => format!("{left} != {right}"),
        (true, sign) => format!("not {left} {sign} {right}"),
        (false, sign) => format!("{left} {sign} {right}"),
    }
}

/// `4 mad`
pub(super) fn deviation(deviation: Deviation) -> String {
    match deviation {
        Deviation::Mad(k) => format!("{} mad", thousands(k)),
        Deviation::Sigma(k) => format!("{} sigma", thousands(k)),
        Deviation::Times(k) => format!("{} times the mean", thousands(k)),
    }
}

/// A number given in thousandths.
fn thousands(number: i64) -> String {
    let (whole, rest) = (number.div_euclid(1000), number.rem_euclid(1000));
    let digits = format!("{rest:03}");
    match digits.trim_end_matches('0') {
        "" => whole.to_string(),
        rest => format!("{whole}.{rest}"),
    }
}
