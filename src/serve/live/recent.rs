//! The latest events, as the batches they came in.
//!
//! In: batches. Out: JSON objects with dotted names, made when somebody asks. A batch is shared, not
//! copied, unless it is so large that only its end is kept.

use std::collections::VecDeque;
use std::sync::Arc;

use rustc_hash::FxHashSet;
use serde_json::{Map, Value};

use crate::event::{EventBatch, EventId};

/// At most so many values of one event are shown: a JSON source may send thousands.
const MOST_VALUES: usize = 300;

/// The last batches that together hold at least `keep` events.
pub(super) struct Recent {
    keep: usize,
    len: usize,
    batches: VecDeque<Arc<EventBatch>>,
}

impl Recent {
    pub(super) fn new(keep: usize) -> Recent {
        Recent { keep, len: 0, batches: VecDeque::new() }
    }

    pub(super) fn push(&mut self, batch: &EventBatch) {
        let batch = match batch.len() > self.keep {
            true => batch.take(&(batch.len() as u32 - self.keep as u32..batch.len() as u32).collect::<Vec<_>>()),
            false => batch.clone(),
        };
        self.len += batch.len();
        self.batches.push_back(Arc::new(batch));
        while let Some(first) = self.batches.front()
            && self.len - first.len() >= self.keep
        {
            self.len -= first.len();
            self.batches.pop_front();
        }
    }

    /// Oldest first.
    pub(super) fn batches(&self) -> Vec<Arc<EventBatch>> {
        self.batches.iter().cloned().collect()
    }
}

/// The latest events of these batches, newest first.
pub(super) fn latest(batches: &[Arc<EventBatch>], limit: usize, text: usize) -> Vec<Value> {
    let rows = batches.iter().rev().flat_map(|b| (0..b.len()).rev().map(move |row| (b, row)));
    rows.take(limit).map(|(batch, row)| Value::Object(brief(batch, row, text))).collect()
}

/// The events of these ids that lie in these batches.
pub(super) fn find(batches: &[Arc<EventBatch>], ids: &[EventId], text: usize) -> Vec<Value> {
    let wanted: FxHashSet<EventId> = ids.iter().copied().collect();
    let rows = batches.iter().flat_map(|b| (0..b.len()).map(move |row| (b, row)));
    rows.filter(|(b, row)| wanted.contains(&b.id(*row))).map(|(b, row)| Value::Object(brief(b, row, text))).collect()
}

/// An event as a JSON object, with long texts cut to so many characters.
pub(super) fn brief(batch: &EventBatch, row: usize, text: usize) -> Map<String, Value> {
    let mut event = batch.to_json(row);
    if event.len() > MOST_VALUES {
        event = event.into_iter().take(MOST_VALUES).collect();
    }
    event.values_mut().for_each(|value| cut(value, text));
    event
}

/// Cuts long texts, and long lists, in place.
fn cut(value: &mut Value, limit: usize) {
    match value {
        Value::String(text) => {
            if let Some((end, _)) = text.char_indices().nth(limit) {
                text.truncate(end);
                text.push('…');
            }
        }
        Value::Array(list) => {
            list.truncate(MOST_VALUES);
            list.iter_mut().for_each(|value| cut(value, limit));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => {}
    }
}
