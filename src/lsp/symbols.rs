//! What a file holds, for an outline. In: a tree and its text. Out: its items, and in rules the steps and tests.

use lsp_types::SymbolKind;

use super::analysis::{Analysis, head};
use crate::rule::ast::{ClauseKind, Item, Rule, Span, When};
use crate::rule::place::items;

/// A line of the outline.
#[derive(Debug, PartialEq)]
pub(crate) struct Symbol {
    /// What it is called.
    pub(crate) name: String,
    /// Beside it.
    pub(crate) detail: String,
    /// Its picture.
    pub(crate) kind: SymbolKind,
    /// All of it.
    pub(crate) whole: Span,
    /// Its name.
    pub(crate) named: Span,
    /// What is in it.
    pub(crate) inside: Vec<Symbol>,
}

/// The outline of a file.
pub(crate) fn symbols(analysis: &Analysis, file: usize) -> Vec<Symbol> {
    let text = analysis.text(file);
    let chunks = items(text);
    let whole = |named: Span| {
        let chunk = chunks.iter().find(|chunk| chunk.start <= named.start && named.end <= chunk.end);
        chunk.map_or(named, |chunk| Span { start: head(text, *chunk), end: chunk.end })
    };
    let tree = &analysis.compiled.trees[file];
    let symbol = |item: &Item| match item {
        Item::Rule(rule) => self::rule(rule),
        Item::Let(define) => Symbol {
            name: define.name.text.clone(),
            detail: format!("let, {}", define.pattern.source.text),
            kind: SymbolKind::VARIABLE,
            whole: whole(define.name.span),
            named: define.name.span,
            inside: Vec::new(),
        },
        Item::List(list) => Symbol {
            name: list.name.text.clone(),
            detail: "list".to_owned(),
            kind: SymbolKind::ARRAY,
            whole: whole(list.name.span),
            named: list.name.span,
            inside: Vec::new(),
        },
    };
    tree.items.iter().map(symbol).collect()
}

fn rule(rule: &Rule) -> Symbol {
    let severity = rule.clauses.iter().find_map(|clause| match &clause.kind {
        ClauseKind::Severity(word) => Some(word.text.clone()),
        _ => None,
    });
    let mut inside = Vec::new();
    for clause in &rule.clauses {
        match &clause.kind {
            ClauseKind::When(When::Sequence(body) | When::All(body)) => {
                for step in &body.steps {
                    let named = step.label.as_ref().unwrap_or(&step.pattern.source);
                    inside.push(Symbol {
                        name: named.text.clone(),
                        detail: "step".to_owned(),
                        kind: SymbolKind::FIELD,
                        whole: step.span,
                        named: named.span,
                        inside: Vec::new(),
                    });
                }
            }
            ClauseKind::Test(test) => inside.push(Symbol {
                // An empty name is not allowed by the protocol.
                name: if test.name.text.is_empty() { "test".to_owned() } else { test.name.text.clone() },
                detail: "test".to_owned(),
                kind: SymbolKind::EVENT,
                whole: clause.span,
                named: test.name.span,
                inside: Vec::new(),
            }),
            _ => {}
        }
    }
    Symbol {
        name: rule.name.text.clone(),
        detail: severity.map_or_else(|| "rule".to_owned(), |severity| format!("rule, {severity}")),
        kind: SymbolKind::FUNCTION,
        whole: rule.span,
        named: rule.name.span,
        inside,
    }
}
