//! The clauses of a rule, a line each and more.

use super::logic::Hang;
use super::print::{Before, Blank, Printer, WIDTH};
use super::token::Node;
use crate::rule::parse::Rule;

/// The column at which clauses begin, and that of what they hold in braces.
const CLAUSE: usize = 2;
const INSIDE: usize = 4;

impl Printer<'_> {
    pub(super) fn clauses(&mut self, clauses: &[Node]) {
        let mut column = 0;
        for (number, clause) in clauses.iter().enumerate() {
            let previous = number.checked_sub(1).map(|n| &clauses[n]);
            let begins = previous.is_none_or(|p| self.padded(p).is_none()) || self.is_set_apart(clause.first);
            if begins {
                let rest = &clauses[number + 1..];
                let run = rest.iter().take_while(|c| self.padded(c).is_some() && !self.is_set_apart(c.first)).count();
                let widths = clauses[number..=number + run].iter().filter_map(|c| self.padded(c));
                column = widths.flatten().max().unwrap_or(0);
            }
            self.clause(clause, Before::Line(CLAUSE, Blank::of(number)), column);
        }
    }

    /// For a clause that tells about the rule, the width of its keyword if others are padded to it. The longest is
    /// a word that few rules have: it pushes the others to the right in none.
    fn padded(&self, clause: &Node) -> Option<Option<usize>> {
        match clause.children.first()?.rule {
            Rule::title | Rule::description | Rule::severity | Rule::attack | Rule::tags | Rule::runbook => {}
            Rule::references | Rule::author | Rule::risk => {}
            Rule::falsepositives => return Some(None),
            _ => return None,
        }
        Some(self.width(clause.first, clause.first))
    }

    fn clause(&mut self, clause: &Node, before: Before, column: usize) {
        let Some(inner) = clause.children.first() else { return };
        self.hang = CLAUSE + 2;
        match inner.rule {
            Rule::when => self.when(inner, before),
            Rule::except => self.except(inner, before),
            Rule::test => self.test(inner, before),
            _ if self.padded(clause).is_some() => self.told(inner, before, column),
            _ => self.flat(inner, before),
        }
    }

    /// `title "…"`, `tags a, b`, `references "…", "…"`.
    fn told(&mut self, clause: &Node, before: Before, column: usize) {
        let [keyword, first, rest @ ..] = clause.children.as_slice() else { return };
        self.token(keyword.first, before);
        let width = self.width(keyword.first, keyword.first).unwrap_or(0);
        let spaces = 1 + column.saturating_sub(width);
        let hang = CLAUSE + width + spaces;
        self.hang = hang;
        let whole = self.width(first.first, clause.last).is_some_and(|w| hang + w <= WIDTH);
        self.flat(first, Before::Spaces(spaces));
        if matches!(clause.rule, Rule::falsepositives | Rule::references) && !whole {
            // Sentences and addresses read best one below the other.
            for node in rest {
                let before = if node.rule == Rule::comma { Before::Usual } else { Before::Line(hang, Blank::Never) };
                self.flat(node, before);
            }
        } else {
            self.fill(rest, hang, 0);
        }
    }

    fn when(&mut self, when: &Node, before: Before) {
        let [keyword, form] = when.children.as_slice() else { return };
        self.token(keyword.first, before);
        if form.rule == Rule::single {
            return self.phrase(&form.children, CLAUSE, Before::Usual);
        }
        let Some(open) = form.children.iter().position(|c| c.rule == Rule::open) else { return };
        self.token(form.first, Before::Usual);
        self.settings(&form.children[1..open], CLAUSE, false, 2);
        self.token(form.children[open].first, Before::Usual);
        let steps = &form.children[open + 1..form.children.len() - 1];
        let widths = steps.iter().filter_map(|s| self.prefix(s));
        let column = widths.max().unwrap_or(0);
        for (number, step) in steps.iter().enumerate() {
            let prefix = self.prefix(step);
            let Some(at) = step.children.iter().position(|c| c.rule == Rule::pattern) else { continue };
            let mut before = Before::Line(INSIDE, Blank::of(number));
            self.hang = INSIDE + 2;
            for token in step.first..step.children[at].first {
                self.token(token, before);
                before = Before::Usual;
            }
            if let Some(width) = prefix.filter(|width| *width < column) {
                before = Before::Spaces(1 + column - width);
            }
            self.phrase(&step.children[at..], INSIDE, before);
        }
        self.close(form.last, CLAUSE);
    }

    /// The width of a step's label and what stands before it.
    fn prefix(&self, step: &Node) -> Option<usize> {
        step.child(Rule::label).and_then(|label| self.width(step.first, label.last))
    }

    /// `except "…" where … expires …`
    fn except(&mut self, except: &Node, before: Before) {
        let Some(condition) = except.child(Rule::condition) else { return };
        self.token(except.first, before);
        if self.fits(except.first + 1, except.last, 0) {
            return (except.first + 1..=except.last).for_each(|at| self.token(at, Before::Usual));
        }
        (except.first + 1..condition.first).for_each(|at| self.token(at, Before::Usual));
        self.logic(condition, Hang::of(CLAUSE), 0);
        for at in condition.last + 1..=except.last {
            let first = at == condition.last + 1;
            self.hang = CLAUSE + 4;
            self.token(at, if first { Before::Line(CLAUSE + 2, Blank::Never) } else { Before::Usual });
        }
    }

    fn test(&mut self, test: &Node, before: Before) {
        let [keyword, name, open, lines @ .., close] = test.children.as_slice() else { return };
        self.token(keyword.first, before);
        self.token(name.first, Before::Usual);
        self.token(open.first, Before::Usual);
        for (number, line) in lines.iter().enumerate() {
            self.hang = INSIDE + 2;
            let before = Before::Line(INSIDE, Blank::of(number));
            match line.rule {
                Rule::given => self.event(line, before),
                _ => self.expect(line, before),
            }
        }
        self.close(close.first, CLAUSE);
    }

    /// `@0s x3 every 1s late authentication { … }`
    fn event(&mut self, event: &Node, before: Before) {
        let Some(open) = event.children.iter().position(|c| c.rule == Rule::open) else { return };
        self.token(event.first, before);
        (event.first + 1..event.children[open].first).for_each(|at| self.token(at, Before::Usual));
        self.pairs(&event.children[open..]);
    }

    /// `expect 1 { … } then 0`
    fn expect(&mut self, expect: &Node, before: Before) {
        self.token(expect.first, before);
        for child in &expect.children[1..] {
            self.hang = INSIDE + 2;
            self.token(child.first, Before::Usual);
            if let [_, pairs @ ..] = child.children.as_slice() {
                self.pairs(pairs);
            }
        }
    }
}

impl Blank {
    /// For an entry of a block.
    fn of(number: usize) -> Blank {
        if number == 0 { Blank::First } else { Blank::Keep }
    }
}
