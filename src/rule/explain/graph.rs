//! The dataflow of a rule as a graph: boxes for terminals, and the language of Graphviz.
//!
//! In: a rule of a program. Out: text; the same plan always reads the same. Both are drawn from the same stages, through
//! which what matches goes from events to alerts and to the rules over these.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::super::plan::{Atom, Form, Predicate, Program, Rule, Test};
use super::size::{self, Load};
use super::{duration, form, names, predicate, template};

/// One stage of the dataflow.
struct Stage {
    name: String,
    lines: Vec<String>,
}

/// The stages of a rule, and what comes in and goes on at their sides.
struct Graph<'a> {
    rule: &'a Rule,
    /// Rules whose alerts it sees; none for one over events.
    sees: Vec<&'a str>,
    /// Rules that see its alerts.
    seen_by: Vec<&'a str>,
    /// For each step the lists that it follows while running.
    lists: Vec<BTreeSet<&'a str>>,
    steps: Vec<Stage>,
    key: Stage,
    window: Stage,
    episodes: Stage,
    alerts: Stage,
}

/// The rule at this position as boxes, one below the other.
pub fn boxes(program: &Program, rule: u32, load: Option<Load>) -> String {
    let graph = Graph::new(program, rule, load);
    let mut stages = vec![graph.source()];
    let mut lines = Vec::new();
    for (step, lists) in graph.steps.iter().zip(&graph.lists) {
        lines.push(step.name.clone());
        lines.extend(step.lines.iter().map(|line| format!("  {line}")));
        lines.extend(lists.iter().map(|list| format!("  ◀ list {list}")));
    }
    stages.push(Stage { name: "match".to_owned(), lines });
    stages.extend([graph.key, graph.window, graph.episodes, graph.alerts]);
    if !graph.seen_by.is_empty() {
        let lines = graph.seen_by.iter().map(|name| format!("rule {name}")).collect();
        stages.push(Stage { name: "rules over these alerts".to_owned(), lines });
    }
    draw(&stages)
}

/// The same for Graphviz: `dot -Tsvg`.
pub fn dot(program: &Program, rule: u32, load: Option<Load>) -> String {
    let graph = Graph::new(program, rule, load);
    let mut out = format!("digraph {} {{\n", quoted(&graph.rule.name));
    out.push_str("  rankdir=TB;\n  node [shape=box, fontname=\"monospace\"];\n");
    let mut node = |id: &str, stage: &Stage, shape: &str| {
        let text = std::iter::once(&stage.name).chain(&stage.lines).map(|line| escaped(line) + "\\l");
        let shape = if shape.is_empty() { String::new() } else { format!(", shape={shape}") };
        let _ = writeln!(out, "  {} [label=\"{}\"{shape}];", quoted(id), text.collect::<String>());
    };
    let named = |name: String| Stage { name, lines: Vec::new() };
    let mut edges = Vec::new();
    let sources: Vec<String> = match (&graph.sees[..], graph.rule.level) {
        ([], 0) => vec!["events".to_owned()],
        (sees, _) => sees.iter().map(|name| format!("rule {name}")).collect(),
    };
    sources.iter().for_each(|source| node(source, &named(source.clone()), "ellipse"));
    let lists: BTreeSet<&str> = graph.lists.iter().flatten().copied().collect();
    lists.iter().for_each(|list| node(&format!("list {list}"), &named(format!("list {list}")), "cylinder"));
    for (i, (step, lists)) in graph.steps.iter().zip(&graph.lists).enumerate() {
        let id = format!("step {i}");
        node(&id, step, "");
        edges.extend(sources.iter().map(|source| (source.clone(), id.clone(), "")));
        edges.extend(lists.iter().map(|list| (format!("list {list}"), id.clone(), "as it changes")));
        edges.push((id, "key".to_owned(), ""));
    }
    let stages = [
        ("key", &graph.key, "exchange"),
        ("window", &graph.window, "matches"),
        ("episodes", &graph.episodes, ""),
        ("alerts", &graph.alerts, ""),
    ];
    for (i, (id, stage, label)) in stages.iter().enumerate() {
        node(id, stage, "");
        if let Some((next, ..)) = stages.get(i + 1) {
            edges.push(((*id).to_owned(), (*next).to_owned(), label));
        }
    }
    for reader in &graph.seen_by {
        let id = format!("rule {reader}");
        node(&id, &named(id.clone()), "ellipse");
        edges.push(("alerts".to_owned(), id, ""));
    }
    for (from, to, label) in edges {
        let label = if label.is_empty() { String::new() } else { format!(" [label={}]", quoted(label)) };
        let _ = writeln!(out, "  {} -> {}{label};", quoted(&from), quoted(&to));
    }
    out.push_str("}\n");
    out
}

impl<'a> Graph<'a> {
    fn new(program: &'a Program, at: u32, load: Option<Load>) -> Graph<'a> {
        let rule = &program.rules[at as usize];
        let edges = super::super::sees(&program.rules);
        let name = |i: &usize| program.rules[*i].name.as_str();
        let sees = edges[at as usize].iter().map(name).collect();
        let seen_by = (0..edges.len()).filter(|reader| edges[*reader].contains(&(at as usize)));
        let seen_by = seen_by.map(|reader| name(&reader)).collect();
        let lists = rule.steps.iter().map(|step| {
            let mut lists = BTreeSet::new();
            followed(&step.predicate, program, &mut lists);
            lists
        });
        let (lists, steps) = (lists.collect(), (0..rule.steps.len()).map(|i| step(rule, i, program)).collect());
        let (key, window) = (key(rule), window(rule, load));
        let alerts = vec![format!("{}: {}", rule.severity, template(&rule.title, rule))];
        let alerts = Stage { name: "alerts".to_owned(), lines: alerts };
        Graph { rule, sees, seen_by, lists, steps, key, window, episodes: episodes(rule), alerts }
    }

    fn source(&self) -> Stage {
        match self.rule.level {
            0 => Stage { name: "events".to_owned(), lines: Vec::new() },
            _ => Stage {
                name: "alerts of other rules, as events".to_owned(),
                lines: self.sees.iter().map(|name| format!("rule {name}")).collect(),
            },
        }
    }
}

fn step(rule: &Rule, i: usize, program: &Program) -> Stage {
    let step = &rule.steps[i];
    let name = step.name.as_ref().map_or(String::new(), |name| format!(" {name}"));
    Stage {
        name: format!("step {i}{name}{}", form::step(rule, i)),
        lines: predicate(&step.predicate, &program.lists).lines().map(str::to_owned).collect(),
    }
}

fn key(rule: &Rule) -> Stage {
    if matches!(rule.form, Form::Single) {
        return Stage { name: "key".to_owned(), lines: vec!["none: each event is for itself".to_owned()] };
    }
    let mut lines = match rule.key.is_empty() {
        true => vec!["none: all events are of one key".to_owned()],
        false => vec![format!("{}: events of one value go to one worker", names(&rule.key))],
    };
    for (i, step) in rule.steps.iter().enumerate().filter(|(_, step)| step.key != rule.key) {
        lines.push(format!("step {i}: {}", names(&step.key)));
    }
    Stage { name: "key".to_owned(), lines }
}

fn window(rule: &Rule, load: Option<Load>) -> Stage {
    let mut lines = vec![form::words(rule)];
    lines.extend(form::residuals(rule).into_iter().map(|residual| format!("where {residual}")));
    lines.push(format!("keeps {}", form::keeps(rule)));
    let parts = size::size(rule, load);
    if !parts.is_empty() {
        lines.extend(size::words(&parts));
    }
    Stage { name: "window".to_owned(), lines }
}

fn episodes(rule: &Rule) -> Stage {
    let line = match (&rule.form, rule.cooldown) {
        (Form::Single, _) => "every event is one".to_owned(),
        (_, 0) => "matches of a key whose spans overlap are one".to_owned(),
        (_, cooldown) => format!("matches of a key at most {} apart are one", duration(cooldown)),
    };
    Stage { name: "episodes".to_owned(), lines: vec![line] }
}

/// The lists that are followed while running.
fn followed<'a>(predicate: &Predicate, program: &'a Program, lists: &mut BTreeSet<&'a str>) {
    match predicate {
        Predicate::Atom(Atom { test: Test::Listed(list), .. }) => {
            lists.extend(program.lists.get(*list as usize).map(|list| list.name.as_str()));
        }
        Predicate::Constant(_) | Predicate::Atom(_) => {}
        Predicate::And(parts) | Predicate::Or(parts) => parts.iter().for_each(|part| followed(part, program, lists)),
        Predicate::Not(inner) => followed(inner, program, lists),
    }
}

/// Boxes of one width with arrows between them.
fn draw(stages: &[Stage]) -> String {
    let all = stages.iter().flat_map(|stage| std::iter::once(&stage.name).chain(&stage.lines));
    let width = all.map(|line| line.chars().count() + 2).max().unwrap_or(0);
    let mut out = String::new();
    for (i, stage) in stages.iter().enumerate() {
        let bar = "─".repeat(width.saturating_sub(stage.name.chars().count() + 1));
        let _ = writeln!(out, "┌ {} {bar}┐", stage.name);
        for line in &stage.lines {
            let _ = writeln!(out, "│ {line}{} │", " ".repeat((width - 1).saturating_sub(line.chars().count())));
        }
        let last = i + 1 == stages.len();
        let (knee, rest) = if last { ("──", "") } else { ("─┬", "  ▼\n") };
        let _ = write!(out, "└{knee}{}┘\n{rest}", "─".repeat(width.saturating_sub(1)));
    }
    out
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", escaped(text))
}

#[cfg(test)]
mod tests;
