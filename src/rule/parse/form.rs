//! What stands after `when`, from pest's pairs to the tree.

use super::super::ast::{self, Span};
use super::{Node, Rule, Tree, next, parts};

impl Tree<'_> {
    pub(super) fn when(&mut self, pair: Node<'_>) -> ast::When {
        match pair.as_rule() {
            Rule::sequence => ast::When::Sequence(self.steps(pair)),
            Rule::together => ast::When::All(self.steps(pair)),
            _ => {
                let mut parts = parts(pair);
                let pattern = self.pattern(next(&mut parts));
                ast::When::Single { pattern, settings: parts.map(|p| self.setting(p)).collect() }
            }
        }
    }

    fn steps(&mut self, pair: Node<'_>) -> ast::Steps {
        let span = self.span(&pair);
        let length = if pair.as_rule() == Rule::sequence { "sequence".len() } else { "all".len() };
        let keyword = Span { start: span.start, end: span.start + length };
        let (mut settings, mut steps) = (Vec::new(), Vec::new());
        for part in parts(pair) {
            match part.as_rule() {
                Rule::step | Rule::until => steps.push(self.step(part)),
                _ => settings.push(self.setting(part)),
            }
        }
        ast::Steps { settings, steps, keyword, span }
    }

    fn step(&mut self, pair: Node<'_>) -> ast::Step {
        let span = self.span(&pair);
        let mut role = if pair.as_rule() == Rule::until { ast::Role::Until } else { ast::Role::Present };
        let (mut label, mut pattern, mut settings) = (None, None, Vec::new());
        for part in parts(pair) {
            match part.as_rule() {
                Rule::absent => role = ast::Role::Absent,
                Rule::label => label = Some(self.word(&next(&mut parts(part)))),
                Rule::pattern => pattern = Some(self.pattern(part)),
                _ => settings.push(self.setting(part)),
            }
        }
        let pattern = pattern.expect("the grammar gives every step a pattern");
        ast::Step { role, label, pattern, settings, span }
    }

    pub(super) fn pattern(&mut self, pair: Node<'_>) -> ast::Pattern {
        let mut parts = parts(pair);
        let source = self.word(&next(&mut parts));
        ast::Pattern { source, condition: parts.next().map(|p| self.condition(p)) }
    }

    fn setting(&mut self, pair: Node<'_>) -> ast::Setting {
        use ast::SettingKind;
        let span = self.span(&pair);
        let rule = pair.as_rule();
        let mut parts = parts(pair);
        let kind = match rule {
            Rule::by => SettingKind::By(parts.map(|p| self.word(&p)).collect()),
            Rule::on => SettingKind::On(parts.map(|p| self.word(&p)).collect()),
            Rule::within => SettingKind::Within(self.word(&next(&mut parts))),
            Rule::every => SettingKind::Every(self.word(&next(&mut parts))),
            Rule::having => SettingKind::Having(self.bounds(next(&mut parts))),
            Rule::novel | Rule::rare => {
                let (fields, tunings): (Vec<_>, Vec<_>) = parts.partition(|p| p.as_rule() == Rule::field);
                SettingKind::Novel(ast::Novel {
                    rare: rule == Rule::rare,
                    fields: fields.iter().map(|p| self.word(p)).collect(),
                    tunings: tunings.into_iter().map(|p| self.tuning(p)).collect(),
                })
            }
            _ => SettingKind::Baseline(ast::Baseline {
                aggregate: self.aggregate(next(&mut parts)),
                tunings: parts.map(|p| self.tuning(p)).collect(),
            }),
        };
        ast::Setting { kind, span }
    }

    fn tuning(&mut self, pair: Node<'_>) -> ast::Tuning {
        let span = self.span(&pair);
        let mut parts = parts(pair);
        let (name, value) = (self.word(&next(&mut parts)), self.word(&next(&mut parts)));
        ast::Tuning { name, value, unit: parts.next().map(|p| self.word(&p)), span }
    }

    /// `or` of `and`s of bounds and groups.
    fn bounds(&mut self, pair: Node<'_>) -> ast::Bounds {
        let alternatives = parts(pair).filter(|p| p.as_rule() == Rule::bounds_all);
        let mut any: Vec<ast::Bounds> = alternatives
            .map(|all| {
                let mut all: Vec<ast::Bounds> = parts(all)
                    .map(|part| match part.as_rule() {
                        Rule::bounds_group => self.bounds(next(&mut parts(part))),
                        _ => ast::Bounds::One(self.bound(part)),
                    })
                    .collect();
                if all.len() == 1 { all.remove(0) } else { ast::Bounds::And(all) }
            })
            .collect();
        if any.len() == 1 { any.remove(0) } else { ast::Bounds::Or(any) }
    }

    fn bound(&mut self, pair: Node<'_>) -> ast::Bound {
        let span = self.span(&pair);
        let mut parts = parts(pair);
        let aggregate = self.aggregate(next(&mut parts));
        let operator = self.word(&next(&mut parts));
        ast::Bound { aggregate, operator, value: self.value(&next(&mut parts)), span }
    }

    fn aggregate(&mut self, pair: Node<'_>) -> ast::Aggregate {
        let span = self.span(&pair);
        let mut parts = parts(pair);
        let function = self.word(&next(&mut parts));
        ast::Aggregate { function, arguments: parts.map(|p| self.word(&p)).collect(), span }
    }
}
