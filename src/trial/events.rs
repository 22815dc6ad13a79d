//! The events of a test as batches. In: its lines. Out: one batch of what comes in time, and one for each late line.

use super::{START, TrialError};
use crate::event::batch::BatchBuilder;
use crate::event::field::{self, FieldRef};
use crate::event::{EventBatch, EventId};
use crate::rule::trial::{At, Sample, Trial};

/// Events of a test at most.
pub(super) const MOST: usize = 1_000_000;

/// Events are before this time, µs: 2200-01-01T00:00:00Z, so that windows after them end in time, too.
const END: i64 = 7_258_118_400_000_000;

/// What comes together.
pub(super) struct Wave {
    /// What happens.
    pub(super) events: EventBatch,
    /// Alerts that a test makes up, as events to rules over alerts.
    pub(super) alerts: EventBatch,
}

impl Wave {
    /// Time of the last event, µs.
    pub(super) fn last(&self) -> Option<i64> {
        self.events.times().iter().chain(self.alerts.times()).copied().max()
    }
}

/// The events of a test: first those that are not late, in the order they are written, then each late line by itself.
pub(super) fn waves(trial: &Trial) -> Result<Vec<Wave>, TrialError> {
    if trial.samples.iter().map(|s| s.times as usize).sum::<usize>() > MOST {
        return Err(TrialError::Events(trial.name.clone()));
    }
    let mut number = 0;
    let mut wave = |samples: &[&Sample]| {
        let (mut events, mut alerts) = (BatchBuilder::new(), BatchBuilder::new());
        for sample in samples {
            let builder = if sample.source == "alert" { &mut alerts } else { &mut events };
            for times in 0..sample.times {
                let time = instant(sample, times).ok_or_else(|| TrialError::Time(trial.name.clone()))?;
                add(builder, sample, time, number);
                number += 1;
            }
        }
        Ok::<_, TrialError>(Wave { events: events.finish(), alerts: alerts.finish() })
    };
    let (late, prompt): (Vec<&Sample>, Vec<&Sample>) = trial.samples.iter().partition(|s| s.late);
    let mut waves = vec![wave(&prompt)?];
    for line in late {
        waves.push(wave(&[line])?);
    }
    Ok(waves)
}

/// Time of the n-th event of a line, µs; `None` outside of the years that times are written in.
fn instant(sample: &Sample, times: u32) -> Option<i64> {
    let first = match sample.at {
        At::Offset(offset) => START.checked_add(offset)?,
        At::Time(time) => time,
    };
    let time = first.checked_add(sample.every.checked_mul(i64::from(times))?)?;
    (0..END).contains(&time).then_some(time)
}

fn add(builder: &mut BatchBuilder, sample: &Sample, time: i64, number: u64) {
    builder.set_time(field::TIMESTAMP, time);
    builder.set_id(EventId::new(time, sample.text.as_bytes(), number));
    builder.set_text(field::EVENT_ORIGINAL, &sample.text);
    match sample.source.as_str() {
        "any" => {}
        "alert" => builder.set_word(field::EVENT_KIND, "alert"),
        category => builder.set_list(field::EVENT_CATEGORY, &[category]),
    }
    for (field, values) in &sample.values {
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        // The compiler saw that values fit.
        match field {
            FieldRef::Extra(name) => values.first().into_iter().for_each(|first| builder.set_extra(name, first)),
            FieldRef::Column(id) => builder.set_written(*id, &values),
        }
    }
    builder.end_row();
}
