//! Alerts of lower levels as rows for the rules over alerts.
//!
//! In: alerts that opened (+) and went again (−). Out: the match rows of a level's rules on them,
//! with the same sign. An alert is an event at the time of its episode's first event; what
//! changes while the episode grows is no part of it, so growth is not heard of here. No state.

use std::sync::Arc;

use crate::alert::AlertId;
use crate::event::{BatchBuilder, EventBatch};
use crate::matching::{MatchRow, Matcher, Scratch};
use crate::rule::plan::{FieldRef, Program, Tuple};
use crate::rule::raised::Raised;

use super::changes::title;
use super::episode::{Place, Record};

/// Alerts of a batch at most.
const BATCH: usize = 8 << 10;

/// What of an alert is known when it opens, and stays.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Opened {
    rule: u32,
    key: Tuple,
    first: Place,
    values: Vec<Option<Tuple>>,
}

impl Opened {
    /// Of the alert of this record.
    pub(super) fn of(record: &Record) -> Opened {
        let Record { rule, key, first, values, .. } = record;
        Opened { rule: *rule, key: key.clone(), first: *first, values: values.clone() }
    }
}

/// Matches alerts against the rules of one level.
pub(super) struct Climb {
    program: Arc<Program>,
    matcher: Matcher,
    scratch: Scratch,
    builder: BatchBuilder,
    rows: Vec<MatchRow>,
}

impl Climb {
    /// For the rules of this level.
    pub(super) fn new(program: Arc<Program>, level: u32) -> Climb {
        let (matcher, scratch) = (Matcher::of_level(&program, level), Scratch::default());
        Climb { program, matcher, scratch, builder: BatchBuilder::new(), rows: Vec::new() }
    }

    /// Appends the rows that come and go with these alerts.
    pub(super) fn rows(&mut self, alerts: &[(Opened, isize)], out: &mut Vec<(MatchRow, isize)>) {
        for sign in [1, -1] {
            for (alert, diff) in alerts.iter().filter(|(_, diff)| diff.signum() == sign) {
                for _ in 0..diff.unsigned_abs() {
                    self.event(alert);
                }
                if self.builder.len() >= BATCH {
                    self.matches(sign, out);
                }
            }
            self.matches(sign, out);
        }
    }

    fn matches(&mut self, sign: isize, out: &mut Vec<(MatchRow, isize)>) {
        let batch: EventBatch = self.builder.finish();
        self.matcher.matches(&batch, &mut self.scratch, &mut self.rows);
        out.extend(self.rows.drain(..).map(|row| (row, sign)));
    }

    /// Adds an alert to the batch, with those fields that the rules read.
    fn event(&mut self, alert: &Opened) {
        let Climb { program, matcher, builder, .. } = self;
        let Some(rule) = program.rules.get(alert.rule as usize) else { return };
        let raised = Raised {
            id: AlertId::new(&rule.name, &alert.key.0, alert.first.id),
            first: alert.first.time,
            rule: &rule.name,
            severity: rule.severity,
            tags: &rule.tags,
            attack: &rule.attack,
            risk: rule.risk,
        };
        let wanted = |field: &FieldRef| matcher.fields().contains(field);
        let title = || title(rule, &alert.key, &alert.values, None);
        let value = |(position, field)| Some((field, alert.key.get(position)?.to_string()));
        raised.event(builder, &wanted, &title, rule.key.iter().enumerate().filter_map(value));
    }
}
