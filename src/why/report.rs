//! Explanations as text for people. In: what [`why`](super::why) and [`why_not`](super::why_not) found. Out: lines.

use std::fmt::Write;

use rustc_hash::FxHashMap;
use serde::{Serialize, Serializer};

use super::alert::{Explanation, RuleState};
use super::fired::Fired;
use super::missing::{StepNote, Verdict};
use super::predicate::Judged;
use super::value::{counted, duration, grouped, instant, instant_beside, printable};
use crate::event::EventId;
use crate::event::time::rfc3339;

/// An event as it is shown.
#[derive(Clone, Debug, Serialize)]
pub struct Shown {
    /// Its id.
    pub id: EventId,
    /// Event time, µs UTC (RFC 3339 in JSON).
    #[serde(serialize_with = "moment")]
    pub time: i64,
    /// After the first event, µs.
    pub offset_us: i64,
    /// The step it satisfied, by its label or number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// Which of several events of the step it is: `2 of 3`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// Its raw line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
    /// What made it satisfy the step, with its own values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub because: Option<Judged>,
}

/// Instants as RFC 3339.
pub(super) fn moment<S: Serializer>(micros: &i64, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(&rfc3339(*micros))
}

/// So many of the times that a rule fired are written.
const FIRED: usize = 5;

/// Text that grows line by line; writing into a string cannot fail.
#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn line(&mut self, indent: usize, text: &str) {
        let _ = writeln!(self.text, "{:indent$}{}", "", text.trim_end());
    }

    fn gap(&mut self) {
        self.text.push('\n');
    }

    fn head(&mut self, text: &str) {
        self.gap();
        self.line(0, text);
    }

    fn judged(&mut self, indent: usize, judged: &Judged) {
        judged.lines().iter().for_each(|line| self.line(indent, line));
    }

    /// Events, a line each. What made one satisfy its step is said again only where it differs.
    fn events(&mut self, indent: usize, events: &[Shown]) {
        let mut said: FxHashMap<Option<&str>, &Judged> = FxHashMap::default();
        let label =
            |event: &Shown| [&event.step, &event.place].into_iter().flatten().cloned().collect::<Vec<_>>().join(" ");
        let wide = events.iter().map(|e| label(e).chars().count()).max().unwrap_or(0);
        let mut before = None;
        for event in events {
            let time = before.map_or_else(|| instant(event.time), |b| instant_beside(event.time, b));
            before = before.or(Some(event.time));
            let offset = format!("+{}", duration(event.offset_us));
            let step = label(event);
            let raw = event.raw.as_deref().unwrap_or("(not in the archive any more)");
            let step = if wide > 0 { format!("  {step:<wide$}") } else { String::new() };
            self.line(indent, &format!("{time:>19}  {offset:>8}{step}  {raw}"));
            if let Some(because) = &event.because
                && said.insert(event.step.as_deref(), because) != Some(because)
            {
                self.judged(indent + 4, because);
            }
        }
    }
}

impl Explanation {
    /// For people.
    pub fn text(&self) -> String {
        let (mut page, alert) = (Page::default(), &self.alert);
        page.line(0, &format!("{}  {}  {}", alert.id, alert.severity, printable(&alert.title)));
        let events = counted(alert.count as usize, self.of);
        let until = instant_beside(alert.last, alert.first);
        let span = if alert.first == alert.last { String::new() } else { format!(" until {until}") };
        page.line(2, &format!("{}{span}, {events}; {}", instant(alert.first), self.standing));
        page.gap();
        let file = self.rule.file.as_ref().map_or(String::new(), |f| format!(" ({f})"));
        page.line(0, &format!("rule  {}{file}", self.rule.name));
        if let Some(sentence) = &self.rule.sentence {
            page.line(6, sentence);
        }
        match &self.rule.state {
            RuleState::Same => {}
            RuleState::Changed { how } => page.line(6, &format!("changed since: {how}")),
            RuleState::Removed => page.line(6, "removed since: the rules have no rule of this name any more"),
        }
        for (field, value) in &alert.key {
            let value = value.as_str().map_or_else(|| value.to_string(), printable);
            page.line(0, &format!("key   {field} = {value}"));
        }
        if !self.first_match.is_empty() {
            page.head(match self.rule.state {
                RuleState::Same => "the first match",
                RuleState::Changed { .. } | RuleState::Removed => "its evidence",
            });
            page.events(2, &self.first_match);
        }
        self.met.iter().for_each(|met| page.line(2, &format!("→ {met}")));
        if !self.episode.is_empty() || !self.latest.is_empty() {
            page.head("the episode");
            self.episode.iter().for_each(|line| page.line(2, line));
            page.events(2, &self.latest);
        }
        if !self.exceptions.is_empty() {
            page.head("exceptions");
            for exception in &self.exceptions {
                let word = if exception.holds { "holds now" } else { "did not apply" };
                page.line(2, &format!("\"{}\" {word}", printable(&exception.reason)));
                page.judged(4, &exception.because);
            }
        }
        page.head("history");
        for said in &self.history {
            page.line(2, &format!("{}  {}", instant(said.at), said.text));
        }
        notes(&mut page, &self.notes);
        page.text
    }
}

fn notes(page: &mut Page, notes: &[String]) {
    if !notes.is_empty() {
        page.gap();
    }
    notes.iter().for_each(|note| page.line(0, &format!("note: {note}")));
}

impl Verdict {
    /// For people.
    pub fn text(&self) -> String {
        let mut page = Page::default();
        let word = if self.fired.is_empty() { "did not fire" } else { "fired" };
        let key: Vec<String> = self.key.iter().map(|(field, v)| format!("{field} = {}", printable(v))).collect();
        let whom = if key.is_empty() { String::new() } else { format!(" for {}", key.join(", ")) };
        page.line(0, &format!("{} {word}{whom}", self.rule));
        page.line(2, &self.sentence);
        self.fired.iter().take(FIRED).for_each(|fired| fired.write(&mut page));
        if self.fired.len() > FIRED {
            page.head(&format!("and {} more times; --output json names all", self.fired.len() - FIRED));
        }
        for (at, found) in self.findings.iter().enumerate() {
            page.head(&format!("{}: {}", if at == 0 { "nearest miss" } else { "also" }, found.finding.text));
            page.events(2, &found.events);
        }
        if let Some(event) = &self.event {
            page.head(&format!("the {}", self.looked.of));
            page.events(2, std::slice::from_ref(&event.event));
            for step in &event.steps {
                page.line(2, &format!("{} {}", step.step, if step.because.holds { "✓" } else { "✗" }));
                page.judged(4, &step.because);
            }
        }
        for near in &self.near {
            let (field, value) = (&near.field, printable(&near.value));
            let head = match near.events {
                0 if self.looked.limited => format!("no {} has {field} = {value} in that time", self.looked.of),
                0 => format!("no {} has {field} = {value}", self.looked.of),
                events => format!("{} with {field} = {value}", counted(events as usize, self.looked.of)),
            };
            page.head(&head);
            if !near.values.is_empty() {
                let shown = |(value, count): &(String, u64)| {
                    format!("{} ({})", printable(value), counted(*count as usize, self.looked.of))
                };
                let values: Vec<String> = near.values.iter().map(shown).collect();
                page.line(2, &format!("values that are near: {}", values.join(", ")));
            }
        }
        if self.looked.of_key > 0 && self.fired.is_empty() && self.event.is_none() {
            page.head(&format!("the {}s, by step", self.looked.of));
            self.steps.iter().for_each(|step| step.write(&mut page));
        }
        page.gap();
        self.looked(&mut page);
        notes(&mut page, &self.notes);
        page.text
    }

    fn looked(&self, page: &mut Page) {
        let looked = &self.looked;
        let of_key = match self.key.is_empty() {
            true => String::new(),
            false => format!(", {} of this key", grouped(i128::from(looked.of_key))),
        };
        page.line(0, &format!("looked at {}{of_key}", counted(looked.events as usize, looked.of)));
        match looked.archive {
            Some((from, to)) => page.line(0, &format!("the archive covers {} to {}", instant(from), instant(to))),
            None => page.line(0, "the archive has no events"),
        }
    }
}

impl Fired {
    fn write(&self, page: &mut Page) {
        let until = match self.last == self.first {
            true => String::new(),
            false => format!(" until {}", instant_beside(self.last, self.first)),
        };
        let matches = if self.matches == 1 { "one match".to_owned() } else { format!("{} matches", self.matches) };
        page.head(&format!("{}{until}, {matches}", instant(self.first)));
        match &self.alert {
            Some(alert) => {
                page.line(2, &format!("{}  {}  {}", alert.id, alert.severity, printable(&alert.title)));
                page.line(2, &format!("weir why {} explains it", &alert.id.to_string()[..12]));
            }
            None => {
                page.line(2, "not in the alert log: the rule was another one, or did not run; weir replay raises it")
            }
        }
    }
}

impl StepNote {
    fn write(&self, page: &mut Page) {
        let of = grouped(i128::from(self.of_key));
        let excepted = match self.excepted {
            0 => String::new(),
            n => format!(", {} kept out by an exception", grouped(i128::from(n))),
        };
        page.line(2, &format!("{}: {} of {of} satisfy it{excepted}", self.step, grouped(i128::from(self.satisfied))));
        for miss in &self.misses {
            let verb = if miss.events == 1 { "does not" } else { "do not" };
            page.line(4, &format!("{} {verb}:", grouped(i128::from(miss.events))));
            page.judged(6, &miss.because);
        }
    }
}
