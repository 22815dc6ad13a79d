//! Why a rule raised less than a test expects: its events are archived in a temporary folder and `weir why-not` asked.

use super::events::Wave;
use super::{START, plain};
use crate::alert::Alert;
use crate::archive::BulkWriter;
use crate::event::EventBatch;
use crate::rule::plan::{Program, Rule};
use crate::rule::trial::{Expected, Trial};
use crate::why::{self, Asked};

/// What there is to say, if anything: nothing of rules over alerts, whose alerts were never written down, nor where there are
/// enough alerts, nor where the temporary folder cannot be written.
pub(super) fn not(
    program: &Program,
    rule: &Rule,
    waves: &[Wave],
    wave: usize,
    trial: &Trial,
    expected: &Expected,
    alerts: &[Alert],
) -> Option<String> {
    if alerts.len() as u64 >= expected.count || rule.level > 0 {
        return None;
    }
    let came = if trial.expected.len() > 1 { &waves[..=wave.min(waves.len() - 1)] } else { waves };
    let folder = tempfile::tempdir().ok()?;
    let mut writer = BulkWriter::open(folder.path()).ok()?;
    for wave in came {
        writer.append(&wave.events).ok()?;
    }
    writer.finish().ok()?;
    let batches: Vec<&EventBatch> = came.iter().map(|wave| &wave.events).collect();
    let mut asked = Asked { rule: rule.name.clone(), ..Asked::default() };
    asked.key = key(rule, expected, alerts, &batches)?;
    if asked.key.is_empty() {
        asked.from = Some(came.iter().flat_map(|w| w.events.times()).min().copied().unwrap_or(START));
    }
    why::why_not(folder.path(), program.into(), &asked).ok().map(|verdict| verdict.text())
}

/// The key to ask about: the one that is expected, else that of the first event that has one and raised nothing.
fn key(rule: &Rule, expected: &Expected, alerts: &[Alert], batches: &[&EventBatch]) -> Option<Vec<String>> {
    let pair = |name: String, value: &str| format!("{name}={value}");
    let wanted = |field| expected.key.iter().find(|(f, _)| f == field).map(|(f, v)| pair(f.name(), v));
    if let Some(key) = rule.key.iter().map(wanted).collect::<Option<Vec<_>>>() {
        return Some(key);
    }
    let raised = |values: &[String]| {
        let value = |alert: &Alert, field: &str| alert.key.get(field).map_or_else(String::new, plain);
        alerts.iter().any(|a| rule.key.iter().zip(values).all(|(f, v)| value(a, &f.name()) == *v))
    };
    for batch in batches {
        for row in 0..batch.len() {
            for step in &rule.steps {
                let values = step.key.iter().map(|field| batch.shown(field, row));
                let Some(values) = values.collect::<Option<Vec<String>>>() else { continue };
                if values.len() == rule.key.len() && !raised(&values) {
                    return Some(rule.key.iter().zip(&values).map(|(f, v)| pair(f.name(), v)).collect());
                }
            }
        }
    }
    None
}
