//! Why a condition holds on an event, or does not. In: a predicate, a batch, a row. Out: the tree of its
//! tests, each with the event's own value.

use std::cell::RefCell;
use std::net::IpAddr;

use rustc_hash::FxHashMap;
use serde::Serialize;

use super::value::{amount, elements, instant, is_bytes, printable};
use crate::event::batch::EventBatch;
use crate::event::field::Type;
use crate::matching::{evaluate, fold};
use crate::rule::explain;
use crate::rule::plan::{Atom, FieldRef, List, Predicate, Test};

/// Of so many values of a test at most a few are written.
const VALUES: usize = 5;

/// Judges predicates; keeps what is costly to make.
pub(super) struct Judge<'p> {
    lists: &'p [List],
    regexes: RefCell<FxHashMap<String, Option<regex::Regex>>>,
    /// What tests say of short texts. INVARIANT: tests are known by their address, so they must outlive the judge.
    known: RefCell<FxHashMap<*const Atom, FxHashMap<String, bool>>>,
}

/// Of each test the answers to so many values are remembered.
const REMEMBERED: usize = 100_000;

/// A condition on one event.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Judged {
    /// Whether it holds.
    pub holds: bool,
    /// What is asked.
    #[serde(flatten)]
    pub question: Question,
}

/// What is asked of an event.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase", tag = "kind")]
pub enum Question {
    /// Nothing: it always or never holds.
    Constant,
    /// One test of one field.
    Field {
        /// The field.
        field: String,
        /// The event's value, if it has one.
        value: Option<String>,
        /// What it must be.
        condition: String,
    },
    /// All must hold.
    All {
        /// Its parts.
        parts: Vec<Judged>,
    },
    /// One must hold.
    Any {
        /// Its parts.
        parts: Vec<Judged>,
    },
    /// It must not hold.
    Not {
        /// What must not.
        part: Box<Judged>,
    },
}

impl<'p> Judge<'p> {
    /// A judge of rules that use these lists.
    pub(super) fn new(lists: &'p [List]) -> Judge<'p> {
        Judge { lists, regexes: RefCell::default(), known: RefCell::default() }
    }

    /// Whether the predicate holds on the event: as [`evaluate`], and lists that a rule follows (`retro`) are read as they are now.
    pub(super) fn holds(&self, predicate: &'p Predicate, batch: &EventBatch, row: usize) -> bool {
        match predicate {
            Predicate::Constant(value) => *value,
            Predicate::Atom(atom) => self.atom(atom, batch, row),
            Predicate::And(all) => all.iter().all(|p| self.holds(p, batch, row)),
            Predicate::Or(any) => any.iter().any(|p| self.holds(p, batch, row)),
            Predicate::Not(inner) => !self.holds(inner, batch, row),
        }
    }

    fn atom(&self, atom: &'p Atom, batch: &EventBatch, row: usize) -> bool {
        let any = |test: &dyn Fn(&str) -> bool| elements(&atom.field, batch, row).into_iter().any(test);
        match &atom.test {
            Test::Exists | Test::Range(..) | Test::Numbers(_) => evaluate(&Predicate::Atom(atom.clone()), batch, row),
            Test::OneOf { .. } | Test::Like { .. } | Test::Regex(_) | Test::Network(_) | Test::Listed(_) => {
                any(&|text| self.remembered(atom, text))
            }
        }
    }

    fn remembered(&self, atom: &'p Atom, text: &str) -> bool {
        if atom.field.ty() == Type::LongText {
            return self.text(&atom.test, text);
        }
        let mut known = self.known.borrow_mut();
        let of_test = known.entry(std::ptr::from_ref(atom)).or_default();
        if let Some(answer) = of_test.get(text) {
            return *answer;
        }
        let answer = self.text(&atom.test, text);
        if of_test.len() < REMEMBERED {
            of_test.insert(text.to_owned(), answer);
        }
        answer
    }

    /// What a test of texts says of one, see [`evaluate`].
    fn text(&self, test: &Test, text: &str) -> bool {
        let address = || text.parse::<IpAddr>().ok();
        match test {
            Test::OneOf { values, fold: false } => values.contains(text),
            Test::OneOf { values, fold: true } => {
                let folded = fold(text);
                values.contains(&folded) || values.iter().any(|value| fold(value) == folded)
            }
            Test::Like { pattern, fold: false } => self.fits(&like(pattern), text),
            Test::Like { pattern, fold: true } => self.fits(&like(&fold(pattern)), &fold(text)),
            Test::Regex(pattern) => self.fits(pattern, text),
            Test::Network(networks) => address().is_some_and(|a| networks.iter().any(|n| n.contains(a))),
            Test::Listed(number) => self.lists.get(*number as usize).is_some_and(|list| {
                list.values.contains(&fold(text))
                    || (!list.networks.is_empty()
                        && address().is_some_and(|a| list.networks.iter().any(|n| n.contains(a))))
            }),
            Test::Exists | Test::Range(..) | Test::Numbers(_) => false,
        }
    }

    /// Whether a text fits a pattern, which is compiled once.
    fn fits(&self, pattern: &str, text: &str) -> bool {
        let mut regexes = self.regexes.borrow_mut();
        if !regexes.contains_key(pattern) {
            regexes.insert(pattern.to_owned(), regex::Regex::new(pattern).ok());
        }
        regexes.get(pattern).and_then(Option::as_ref).is_some_and(|r| r.is_match(text))
    }

    /// The predicate on the event, as a tree.
    pub(super) fn explain(&self, predicate: &'p Predicate, batch: &EventBatch, row: usize) -> Judged {
        let each = |parts: &'p [Predicate]| parts.iter().map(|p| self.explain(p, batch, row)).collect();
        let question = match predicate {
            Predicate::Constant(_) => Question::Constant,
            Predicate::Atom(atom) => Question::Field {
                field: atom.field.name(),
                value: value(&atom.field, batch, row),
                condition: self.condition(atom),
            },
            Predicate::And(parts) => Question::All { parts: each(parts) },
            Predicate::Or(parts) => Question::Any { parts: each(parts) },
            Predicate::Not(part) => Question::Not { part: Box::new(self.explain(part, batch, row)) },
        };
        Judged { holds: self.holds(predicate, batch, row), question }
    }

    /// What a test asks, in the words of the rule language.
    pub(super) fn condition(&self, atom: &Atom) -> String {
        let (time, bytes) = (atom.field.ty() == Type::Timestamp, is_bytes(&atom.field));
        let number = |n: i128| match i64::try_from(n) {
            Ok(micros) if time => instant(micros),
            Ok(_) | Err(_) => amount(n, bytes),
        };
        match &atom.test {
            Test::Exists => "exists".to_owned(),
            Test::OneOf { values, fold } => {
                let mut sorted: Vec<&String> = values.iter().collect();
                sorted.sort();
                let exact = if *fold || atom.field.ty() == Type::Ip { "" } else { "c" };
                one_of(sorted.iter().map(|v| format!("{exact}\"{}\"", printable(v))))
            }
            Test::Like { pattern, fold } => {
                format!("like {}\"{}\"", if *fold { "" } else { "c" }, printable(pattern))
            }
            Test::Regex(pattern) => format!("~ /{}/", printable(pattern)),
            Test::Range(low, high) if low == high => format!("== {}", number(*low)),
            Test::Range(i128::MIN, high) => format!("<= {}", number(*high)),
            Test::Range(low, i128::MAX) => format!(">= {}", number(*low)),
            Test::Range(low, high) => format!("from {} to {}", number(*low), number(*high)),
            Test::Numbers(numbers) => one_of(numbers.iter().map(|n| number(*n))),
            Test::Network(networks) => {
                let shown: Vec<String> = networks.iter().take(VALUES).map(explain::network).collect();
                format!("in {}{}", shown.join(", "), more(networks.len()))
            }
            Test::Listed(number) => match self.lists.get(*number as usize) {
                Some(list) => format!("in {} ({} values now)", list.name, list.values.len()),
                None => format!("in list {number}"),
            },
        }
    }
}

fn one_of(values: impl ExactSizeIterator<Item = String>) -> String {
    let count = values.len();
    let shown: Vec<String> = values.take(VALUES).collect();
    match &shown[..] {
        [one] => format!("== {one}"),
        many => format!("in ({}{})", many.join(", "), more(count)),
    }
}

fn more(count: usize) -> String {
    if count > VALUES { format!(", … {count} in all") } else { String::new() }
}

fn value(field: &FieldRef, batch: &EventBatch, row: usize) -> Option<String> {
    batch.shown(field, row).map(|v| printable(&v))
}

/// A `like` pattern as a regular expression, whose time is linear.
fn like(pattern: &str) -> String {
    let mut out = String::from("(?s)^");
    let mut characters = pattern.chars();
    while let Some(c) = characters.next() {
        match c {
            '*' => out.push_str(".*"),
            '?' => out.push('.'),
            '\\' => out.push_str(&regex::escape(&characters.next().unwrap_or('\\').to_string())),
            c => out.push_str(&regex::escape(c.encode_utf8(&mut [0; 4]))),
        }
    }
    out.push('$');
    out
}

impl Judged {
    /// Only the parts that decide: of `all` that fails the failing ones, of `any` that holds the holding ones.
    pub(super) fn decisive(self) -> Judged {
        let Judged { holds, question } = self;
        let keep = |parts: Vec<Judged>, wanted: bool| -> Vec<Judged> {
            parts.into_iter().filter(|p| p.holds == wanted).map(Judged::decisive).collect()
        };
        let question = match question {
            Question::All { parts } => Question::All { parts: keep(parts, holds) },
            Question::Any { parts } => Question::Any { parts: keep(parts, holds) },
            Question::Not { part } => Question::Not { part: Box::new(part.decisive()) },
            other @ (Question::Constant | Question::Field { .. }) => other,
        };
        let single = match question {
            Question::All { mut parts } | Question::Any { mut parts } if parts.len() == 1 => return parts.remove(0),
            other => other,
        };
        Judged { holds, question: single }
    }

    /// `event.outcome = success → == "failure" ✗`, a line a test.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut out = Vec::new();
        self.write(0, &mut out);
        out
    }

    fn write(&self, indent: usize, out: &mut Vec<String>) {
        let mark = if self.holds { '✓' } else { '✗' };
        let pad = " ".repeat(indent);
        let head = |text: &str| format!("{pad}{text} {mark}");
        match &self.question {
            Question::Constant => out.push(head(if self.holds { "always" } else { "never" })),
            Question::Field { field, value, condition } => {
                out.push(head(&asked(field, value.as_deref(), condition)));
            }
            // The top of a tree is a list of what must hold.
            Question::All { parts } if indent == 0 => parts.iter().for_each(|p| p.write(indent, out)),
            Question::All { parts } => {
                out.push(head("all of"));
                parts.iter().for_each(|p| p.write(indent + 2, out));
            }
            Question::Any { parts } => {
                out.push(head("any of"));
                parts.iter().for_each(|p| p.write(indent + 2, out));
            }
            Question::Not { part } => match &part.question {
                Question::Field { field, value, condition } => {
                    out.push(head(&asked(field, value.as_deref(), &format!("not {condition}"))));
                }
                Question::Constant | Question::All { .. } | Question::Any { .. } | Question::Not { .. } => {
                    out.push(head("not"));
                    part.write(indent + 2, out);
                }
            },
        }
    }
}

fn asked(field: &str, value: Option<&str>, condition: &str) -> String {
    match value {
        Some(value) => format!("{field} = {value} → {condition}"),
        None => format!("{field} is missing → {condition}"),
    }
}
