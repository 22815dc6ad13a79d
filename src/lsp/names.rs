//! The names of a folder and where they are used. In: a compiled folder. Out: every place that defines or names a rule,
//! a `let`, a list or a step.

use std::path::PathBuf;

use super::analysis::Analysis;
use crate::event::field;
use crate::rule::ast::{
    Comparison, Condition, Item, Operand, Origin, Pair, Pattern, Rule, Span, TestLine, Value, ValueKind, When, Word,
};
use crate::rule::is_builtin;

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A rule.
    Rule,
    /// A `let`.
    Let,
    /// A list.
    List,
    /// A step of the rule that starts at this byte of this file.
    Step(usize, usize),
    /// The file of a list.
    ListFile,
}

impl Kind {
    /// The word for it.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Kind::Rule => "rule",
            Kind::Let => "let",
            Kind::List => "list",
            Kind::Step(..) => "step",
            Kind::ListFile => "file",
        }
    }
}

/// A place where a name stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Use {
    /// What it stands for.
    pub(crate) kind: Kind,
    /// The name as it is defined.
    pub(crate) name: String,
    /// Position of the file.
    pub(crate) file: usize,
    /// Where, without quotes.
    pub(crate) span: Span,
    /// The name is given here.
    pub(crate) defines: bool,
}

/// All uses, by file and place.
pub(crate) fn uses(analysis: &Analysis) -> Vec<Use> {
    let mut lists: Vec<&str> = analysis.lists().map(|(_, list)| list.name.text.as_str()).collect();
    lists.sort_unstable();
    let mut out = Vec::new();
    for (file, tree) in analysis.compiled.trees.iter().enumerate() {
        let mut walk =
            Walk { file, text: analysis.text(file), lists: &lists, labels: Vec::new(), rule: 0, out: &mut out };
        for item in &tree.items {
            walk.item(item);
        }
    }
    out.sort_by_key(|used| (used.file, used.span.start));
    out
}

/// The use at a place of a file.
pub(crate) fn at(uses: &[Use], file: usize, offset: usize) -> Option<&Use> {
    let holds = |used: &&Use| used.file == file && used.span.start <= offset && offset <= used.span.end;
    // Behind `fail:` and before `x` one offset may touch two names: the one that begins there is meant.
    uses.iter().filter(holds).max_by_key(|used| used.span.start)
}

/// All uses of the same thing.
pub(crate) fn same<'a>(uses: &'a [Use], one: &'a Use) -> impl Iterator<Item = &'a Use> {
    uses.iter().filter(move |used| used.kind == one.kind && used.name == one.name)
}

/// The path of the file of a list.
pub(crate) fn list_file(analysis: &Analysis, used: &Use) -> PathBuf {
    analysis.folder.join(&used.name)
}

struct Walk<'a> {
    file: usize,
    text: &'a str,
    lists: &'a [&'a str],
    /// The step names of the rule.
    labels: Vec<&'a str>,
    /// Where the rule starts.
    rule: usize,
    out: &'a mut Vec<Use>,
}

impl<'a> Walk<'a> {
    fn found(&mut self, kind: Kind, name: &str, span: Span, defines: bool) {
        self.out.push(Use { kind, name: name.to_owned(), file: self.file, span, defines });
    }

    fn item(&mut self, item: &'a Item) {
        self.labels.clear();
        match item {
            Item::Rule(rule) => self.rule(rule),
            Item::Let(define) => {
                self.found(Kind::Let, &define.name.text, define.name.span, true);
                self.pattern(&define.pattern);
            }
            Item::List(list) => {
                self.found(Kind::List, &list.name.text, list.name.span, true);
                match &list.origin {
                    Origin::File(path) => self.found(Kind::ListFile, &path.text, inside(path.span), false),
                    Origin::Inline(..) => {}
                }
            }
        }
    }

    fn rule(&mut self, rule: &'a Rule) {
        self.rule = rule.span.start;
        self.found(Kind::Rule, &rule.name.text, rule.name.span, true);
        for label in rule.whens().flat_map(When::steps).filter_map(|step| step.label.as_ref()) {
            self.labels.push(&label.text);
            self.found(Kind::Step(self.file, self.rule), &label.text, label.span, true);
        }
        rule.titles().for_each(|title| self.title(title));
        rule.whens().flat_map(When::patterns).for_each(|(pattern, _)| self.pattern(pattern));
        rule.excepts().for_each(|except| self.condition(&except.condition));
        for line in rule.test_lines() {
            match line {
                TestLine::Given(given) => self.pairs(&given.pairs),
                TestLine::Expect(outcomes, _) => outcomes.iter().for_each(|o| self.pairs(&o.pairs)),
            }
        }
    }

    fn pattern(&mut self, pattern: &Pattern) {
        if !is_builtin(&pattern.source.text) {
            self.found(Kind::Let, &pattern.source.text, pattern.source.span, false);
        }
        pattern.condition.iter().for_each(|condition| self.condition(condition));
    }

    fn condition(&mut self, condition: &Condition) {
        condition.fields(&mut |_, comparison| comparison.into_iter().for_each(|asked| self.comparison(asked)));
    }

    fn comparison(&mut self, comparison: &Comparison) {
        match &comparison.operand {
            Operand::One(value) if value.kind == ValueKind::Path => self.path(value),
            Operand::One(value) => self.values(&comparison.field, std::slice::from_ref(value)),
            Operand::Many(values, _) => self.values(&comparison.field, values),
            Operand::List(name, _) => self.found(Kind::List, &name.text, inside(name.span), false),
            Operand::Regex(_) => {}
        }
    }

    /// A word without quotes: a list, or a field of an earlier step.
    fn path(&mut self, value: &Value) {
        let name = value.text.as_str();
        if self.lists.binary_search(&name).is_ok() || field::by_name(name).is_none() && !self.of_step(name) {
            self.found(Kind::List, name, value.span, false);
        } else if field::by_name(name).is_none() {
            self.label(name, value.span.start);
        }
    }

    fn of_step(&self, name: &str) -> bool {
        name.split_once('.').is_some_and(|(label, _)| self.labels.contains(&label))
    }

    /// The step of `label.field`, whose text starts at this byte.
    fn label(&mut self, name: &str, start: usize) {
        if let Some((label, _)) = name.split_once('.').filter(|(label, _)| self.labels.contains(label)) {
            let span = Span { start, end: start + label.len() };
            self.found(Kind::Step(self.file, self.rule), label, span, false);
        }
    }

    fn pairs(&mut self, pairs: &[Pair]) {
        pairs.iter().for_each(|pair| self.values(&pair.field, &pair.values));
    }

    /// Names of rules, where the field holds such.
    fn values(&mut self, field: &Word, values: &[Value]) {
        for value in values {
            if value.kind == ValueKind::Path {
                if self.lists.binary_search(&value.text.as_str()).is_ok() {
                    self.found(Kind::List, &value.text, value.span, false);
                }
            } else if field::by_name(&field.text) == Some(field::RULE_NAME) {
                self.found(Kind::Rule, &value.text, inside(value.span), false);
            }
        }
    }

    /// The steps named in the holes of a title.
    fn title(&mut self, title: &Word) {
        let start = title.span.start;
        let written = &self.text[start..title.span.end];
        for (at, name) in holes(written) {
            if field::by_name(name).is_none() {
                self.label(name, start + at);
            }
        }
    }
}

/// The holes of a title as written, each with the byte at which its name starts.
pub(crate) fn holes(written: &str) -> Vec<(usize, &str)> {
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(open) = written[at..].find('{').map(|open| at + open) {
        if written[open..].starts_with("{{") {
            at = open + 2;
            continue;
        }
        let Some(close) = written[open..].find('}').map(|close| open + close) else { break };
        let name = &written[open + 1..close];
        out.push((open + 1 + name.len() - name.trim_start().len(), name.trim()));
        at = close + 1;
    }
    out
}

/// A text without its quotes.
fn inside(span: Span) -> Span {
    Span { start: span.start + 1, end: span.end.saturating_sub(1).max(span.start + 1) }
}
