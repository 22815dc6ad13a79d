//! Breaks what is too long for one line: conditions, bounds, values, pairs.

use super::print::{Before, Blank, Printer};
use super::token::Node;
use crate::rule::parse::Rule;

/// Where the lines of a condition begin.
#[derive(Clone, Copy)]
pub(super) struct Hang {
    /// Those that begin with `and`.
    pub(super) and: usize,
    /// Those that begin with `or`.
    pub(super) or: usize,
}

impl Hang {
    /// For a condition of what begins at this column.
    pub(super) fn of(indent: usize) -> Hang {
        Hang { and: indent + 2, or: indent + 4 }
    }
}

impl Printer<'_> {
    /// A condition or bounds: on this line as far as it goes, then broken before `and` and `or`.
    pub(super) fn logic(&mut self, node: &Node, hang: Hang, tail: usize) {
        if self.fits(node.first, node.last, tail) {
            return self.flat(node, Before::Usual);
        }
        let deeper = |indent: usize| Hang { and: indent + 2, or: indent + 2 };
        match node.rule {
            Rule::condition | Rule::bounds if node.children.len() == 1 => self.logic(&node.children[0], hang, tail),
            Rule::condition | Rule::bounds => {
                self.operands(node, hang.or, tail, |p, inner| p.logic(inner, deeper(hang.or), tail));
            }
            Rule::conjunction | Rule::bounds_all => {
                self.operands(node, hang.and, tail, |p, inner| p.logic(inner, hang, tail));
            }
            Rule::group | Rule::bounds_group => {
                self.hang = hang.and + 2;
                self.token(node.first, Before::Usual);
                let inner = &node.children[1..node.children.len() - 1];
                inner.iter().for_each(|c| self.logic(c, deeper(hang.and), tail + 1));
                self.token(node.last, Before::Usual);
            }
            Rule::values => self.values(node, hang.and + 2, tail),
            _ if node.children.is_empty() => self.token(node.first, Before::Usual),
            _ => node.children.iter().for_each(|c| self.logic(c, hang, tail)),
        }
    }

    /// Operands with operators between them, an operator with the operand behind it.
    fn operands(&mut self, node: &Node, indent: usize, tail: usize, print: impl Fn(&mut Self, &Node)) {
        for (number, child) in node.children.iter().enumerate() {
            if number % 2 == 0 {
                print(self, child);
                continue;
            }
            let operand = node.children.get(number + 1).unwrap_or(child);
            let fits = self.fits(child.first, operand.last, tail);
            let before = if fits { Before::Usual } else { Before::Line(indent, Blank::Never) };
            self.hang = indent + 2;
            self.token(child.first, before);
        }
    }

    /// Values in parentheses: on this line, or on lines of their own from this column on.
    pub(super) fn values(&mut self, node: &Node, indent: usize, tail: usize) {
        if self.fits(node.first, node.last, tail) {
            return self.flat(node, Before::Usual);
        }
        self.hang = indent;
        self.token(node.first, Before::Usual);
        let inner = &node.children[1..node.children.len() - 1];
        if let Some((first, rest)) = inner.split_first() {
            self.flat(first, Before::Line(indent, Blank::Never));
            self.fill(rest, indent, tail + 1);
        }
        self.token(node.last, Before::Usual);
    }

    /// Elements and the commas between them, as many on a line as fit.
    pub(super) fn fill(&mut self, nodes: &[Node], indent: usize, tail: usize) {
        self.hang = indent;
        for (number, node) in nodes.iter().enumerate() {
            // With the comma behind it.
            let room = if number + 1 < nodes.len() { 1 } else { tail };
            let same = node.rule == Rule::comma || self.fits(node.first, node.last, room.max(1));
            self.element(node, if same { Before::Usual } else { Before::Line(indent, Blank::Never) }, room);
        }
    }

    /// One element of a list. Only that of a test's event may be too long by itself: its values are broken then.
    fn element(&mut self, node: &Node, before: Before, tail: usize) {
        let hang = self.hang;
        match node.children.last() {
            Some(values) if node.rule == Rule::pair && values.rule == Rule::values => {
                self.token(node.first, before);
                (node.first + 1..values.first).for_each(|at| self.token(at, Before::Usual));
                self.values(values, hang + 2, tail);
            }
            _ => self.flat(node, before),
        }
        self.hang = hang;
    }

    /// `{ field: value, … }` behind what stands on this line; what does not fit goes below the first pair.
    pub(super) fn pairs(&mut self, nodes: &[Node]) {
        let [open, inner @ .., close] = nodes else { return };
        self.token(open.first, Before::Usual);
        let hang = self.column + 1;
        if let Some((first, rest)) = inner.split_first() {
            self.hang = hang;
            self.element(first, Before::Usual, 2);
            self.fill(rest, hang, 2);
        }
        self.token(close.first, Before::Usual);
    }
}
