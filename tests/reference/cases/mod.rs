//! Cases worked out by hand from the meaning of each form, so that the reference itself is known to be right.
//!
//! Events are written `7ab=x,4,-1`: time 7, steps 0 and 1 (`a` alone when none is named), payload values (`-` or nothing for a
//! missing one). They are numbered as they are written, and that decides between events of one time. Episodes are
//! written `first..last=count`.

mod above;
mod aggregate;
mod counts;
mod history;
mod sequence;

use weir::event::EventId;
use weir::rule::plan::{Form, Tuple};

use super::plans::program;
use super::{Episode, Row, episodes};

/// Checks the episodes of a rule when everything is known.
#[track_caller]
fn check(form: &Form, events: &str, expected: &str) {
    check_at(form, 0, i64::MAX, events, expected);
}

/// Checks them with a cooldown and a watermark.
#[track_caller]
fn check_at(form: &Form, cooldown: i64, watermark: i64, events: &str, expected: &str) {
    let program = program([(form.clone(), cooldown)]);
    assert_eq!(text(episodes(&program, &rows(events), watermark)), expected, "{form:?} on {events}");
}

/// The rows that a text says.
fn rows(events: &str) -> Vec<Row> {
    events.split_whitespace().zip(1..).map(|(event, id)| row(event, id)).collect()
}

fn row(event: &str, id: u128) -> Row {
    let (head, values) = event.split_once('=').unwrap_or((event, ""));
    let at = head.find(|c: char| c.is_ascii_lowercase()).unwrap_or(head.len());
    let (time, letters) = head.split_at(at);
    let steps = letters.bytes().map(|b| 1 << (b - b'a')).sum::<u32>().max(1);
    let values: Vec<Option<&str>> = values.split(',').chain(["-", "-"]).take(3).collect::<Vec<_>>()[..]
        .iter()
        .map(|v| Some(*v).filter(|v| !["-", ""].contains(v)))
        .collect();
    let (key, values) = (Tuple::new([Some("k")]), Tuple::new(values));
    Row { rule: 0, steps, time: time.parse().unwrap(), id: EventId::from_bits(id), key, values }
}

fn text(episodes: impl IntoIterator<Item = Episode>) -> String {
    let one = |e: Episode| format!("{}..{}={}", e.first.0, e.last.0, e.count);
    episodes.into_iter().map(one).collect::<Vec<_>>().join(" ")
}
