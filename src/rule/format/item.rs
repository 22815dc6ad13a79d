//! Items: rules, `let`s, lists.

use super::logic::Hang;
use super::print::{Before, Blank, Printer, WIDTH};
use super::token::{File, Node};
use crate::rule::parse::Rule;

/// A file in canonical form.
pub(super) fn print(file: &File<'_>) -> String {
    let mut printer = Printer::new(file);
    let mut names = 0;
    for (number, item) in file.items.iter().enumerate() {
        let beside_rule =
            number > 0 && (item.rule == Rule::rule_item || file.items[number - 1].rule == Rule::rule_item);
        let before = Before::Line(0, if beside_rule { Blank::Force } else { Blank::Keep });
        printer.hang = 4;
        match item.rule {
            Rule::rule_item => printer.rule(item, before),
            Rule::define => {
                if number == 0 || !printer.adjoins(&file.items[number - 1], item) {
                    names = printer.aligned(&file.items[number..]);
                }
                printer.define(item, before, names);
            }
            _ => printer.list(item, before),
        }
    }
    printer.end(&file.end)
}

impl Printer<'_> {
    fn rule(&mut self, item: &Node, before: Before) {
        let [keyword, name, open, clauses @ .., close] = item.children.as_slice() else { return };
        self.token(keyword.first, before);
        self.token(name.first, Before::Usual);
        self.token(open.first, Before::Usual);
        self.clauses(clauses);
        self.close(close.first, 0);
    }

    fn define(&mut self, item: &Node, before: Before, names: usize) {
        let [keyword, name, assign, pattern] = item.children.as_slice() else { return };
        self.token(keyword.first, before);
        self.token(name.first, Before::Usual);
        let width = self.width(name.first, name.last).unwrap_or(0);
        self.token(assign.first, Before::Spaces(1 + names.saturating_sub(width)));
        self.phrase(std::slice::from_ref(pattern), 0, Before::Usual);
    }

    /// Whether two `let`s stand directly below one another, a line each, so that their `=` do as well.
    fn adjoins(&self, previous: &Node, item: &Node) -> bool {
        let one_line =
            |i: &Node| i.rule == Rule::define && self.width(i.first, i.last).is_some_and(|width| width <= WIDTH);
        one_line(previous) && one_line(item) && !self.is_set_apart(item.first) && !self.has_comments(item.first)
    }

    /// The width of the longest name of the `let`s that begin here and adjoin; 0 if they do not fit when aligned.
    fn aligned(&self, items: &[Node]) -> usize {
        let run = 1 + items.windows(2).take_while(|pair| self.adjoins(&pair[0], &pair[1])).count();
        let name = |item: &Node| item.children.get(1).and_then(|n| self.width(n.first, n.last)).unwrap_or(0);
        let longest = items[..run].iter().map(name).max().unwrap_or(0);
        let fits =
            |item: &Node| self.width(item.first, item.last).is_some_and(|width| width + longest - name(item) <= WIDTH);
        if items[..run].iter().all(fits) { longest } else { 0 }
    }

    fn list(&mut self, item: &Node, before: Before) {
        self.token(item.first, before);
        let values = item.child(Rule::inline).and_then(|i| i.child(Rule::values));
        let end = values.map_or(item.last + 1, |v| v.first);
        (item.first + 1..end).for_each(|at| self.token(at, Before::Usual));
        if let Some(values) = values {
            self.values(values, 2, 0);
        }
    }

    /// A pattern and its settings (`by`, `within`, `having` …) from here on, in what begins at `indent`.
    pub(super) fn phrase(&mut self, parts: &[Node], indent: usize, before: Before) {
        let [pattern, settings @ ..] = parts else { return };
        self.hang = indent + 2;
        let last = settings.last().unwrap_or(pattern).last;
        self.token(pattern.first, before);
        if pattern.first == last || self.fits(pattern.first + 1, last, 0) {
            return (pattern.first + 1..=last).for_each(|at| self.token(at, Before::Usual));
        }
        let narrowed = pattern.child(Rule::condition);
        if let Some(condition) = narrowed {
            (pattern.first + 1..condition.first).for_each(|at| self.token(at, Before::Usual));
            self.logic(condition, Hang::of(indent), 0);
        }
        self.settings(settings, indent, narrowed.is_some(), 0);
    }

    /// Settings, as many on a line as fit; the first on a line of its own if what it is about has filled this one.
    pub(super) fn settings(&mut self, settings: &[Node], indent: usize, fresh: bool, tail: usize) {
        for (number, setting) in settings.iter().enumerate() {
            let room = if number + 1 < settings.len() { 0 } else { tail };
            let same = !(fresh && number == 0) && self.fits(setting.first, setting.last, room);
            let before = if same { Before::Usual } else { Before::Line(indent + 2, Blank::Never) };
            self.hang = indent + 4;
            self.token(setting.first, before);
            let [_, inner @ ..] = setting.children.as_slice() else { continue };
            match setting.rule {
                Rule::having => inner.iter().for_each(|b| self.logic(b, Hang::of(indent + 2), room)),
                Rule::by | Rule::on => self.fill(inner, indent + 4, room),
                _ => inner.iter().for_each(|c| self.flat(c, Before::Usual)),
            }
        }
    }
}
