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
#[derive(Clone, Debug, PartialEq)]
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
    stages.extend([graph.key.clone(), graph.window.clone(), graph.episodes.clone(), graph.alerts.clone()]);
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
        Predicate::Constant(_) => {}
        Predicate::Atom(Atom { test: Test::Listed(list), .. }) => {
            lists.extend(program.lists.get(*list as usize).map(|list| list.name.as_str()));
        }
        Predicate::Atom(_) => {}
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
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::rule::{SourceFile, compile};

    const RULES: &str = "
list bad = (192.0.2.1, 192.0.2.2)
rule single { title \"{source.ip}\" when network where destination.port == 23 }
rule threshold { severity high title \"{count} of {source.ip}\"
    when authentication where event.outcome == \"failure\" by source.ip within 5m having count() >= 10 cooldown 10m }
rule values { when network by source.ip within 10m having distinct(destination.ip) >= 20 }
rule ratio { when network by source.ip within 10m having sum(network.bytes) > 1000000 }
rule guessed { when sequence by source.ip within 5m {
    fail: authentication where event.outcome == \"failure\" having count() >= 3
    ok: authentication where event.outcome == \"success\" } }
rule both { when all by host.name within 1h { network where destination.port == 22  process where process.name == \"nc\" } }
rule unseen { when network new (host.name, destination.ip) over 30d learn 7d }
rule unusual { when network by host.name every 1h baseline sum(network.bytes) over 7d above 4 mad learn 1d }
rule listed { when network where source.ip in bad retro 1d }
rule many { title \"campaign\" when alert where rule.name in (\"threshold\", \"guessed\") by source.ip within 1h having count() >= 2 }
";

    fn program() -> Program {
        let file = SourceFile { name: "a.weir".into(), text: RULES.to_owned() };
        let compiled = compile(&[file], &|_| Err(std::io::ErrorKind::NotFound.into()));
        assert!(!compiled.has_errors(), "{}", crate::rule::render(&compiled.diagnostics, &compiled.sources, false));
        compiled.program
    }

    fn drawn(rule: &str, load: Option<Load>) -> String {
        let program = program();
        boxes(&program, program.position(rule).expect("it compiles"), load)
    }

    #[test]
    fn all_forms_are_drawn_within_their_boxes() {
        let program = program();
        for rule in 0..program.rules.len() as u32 {
            let text = boxes(&program, rule, Some(Load { rate: 1.0, keys: 7 }));
            let width = |line: &str| line.chars().count();
            let wide: BTreeSet<usize> = text.lines().filter(|line| !line.starts_with("  ")).map(width).collect();
            assert_eq!(wide.len(), 1, "{text}");
            let dot = dot(&program, rule, None);
            assert_eq!(dot.matches('{').count(), dot.matches('}').count(), "{dot}");
        }
    }

    #[test]
    fn sizes_of_all_forms() {
        let program = program();
        let said = |load: Option<Load>| -> String {
            let line = |rule: &Rule| {
                let words = size::words(&size::size(rule, load));
                words.iter().map(|line| format!("{:<9} {line}\n", rule.name)).collect::<String>()
            };
            program.rules.iter().map(line).collect()
        };
        expect![[r#"
            both      events: matched events a second × 1h × about 110 bytes
            guessed   events: matched events a second × 5m × about 110 bytes
            listed    candidates for its lists: matched events a second × 1d × about 110 bytes
            many      events: matched events a second × 1h × about 110 bytes
            ratio     events: matched events a second × 10m × about 110 bytes
            single    nothing
            threshold events: matched events a second × 15m × about 110 bytes
            unseen    values of destination.ip: different values of each host.name in 37d × about 64 bytes
            unusual   figures of buckets: keys × 192 buckets of 1h × about 48 bytes
            unusual   events: matched events a second × 1h × about 110 bytes
            values    events: matched events a second × 10m × about 110 bytes
        "#]]
        .assert_eq(&said(None));
        expect![[r#"
            both      events: matched events a second × 1h = 180000, × about 110 bytes = 18.9 MiB
            guessed   events: matched events a second × 5m = 15000, × about 110 bytes = 1.6 MiB
            listed    candidates for its lists: matched events a second × 1d = 4320000, × about 110 bytes = 453.2 MiB
            many      events: matched events a second × 1h = 180000, × about 110 bytes = 18.9 MiB
            ratio     events: matched events a second × 10m = 30000, × about 110 bytes = 3.1 MiB
            single    nothing
            threshold events: matched events a second × 15m = 45000, × about 110 bytes = 4.7 MiB
            unseen    values of destination.ip: different values of each host.name in 37d = at most 159840000, × about 64 bytes = 9.5 GiB
            unusual   figures of buckets: keys × 192 buckets of 1h = at most 192000, × about 48 bytes = 8.8 MiB
            unusual   events: matched events a second × 1h = 180000, × about 110 bytes = 18.9 MiB
            unusual   in all about 27.7 MiB
            values    events: matched events a second × 10m = 30000, × about 110 bytes = 3.1 MiB
        "#]].assert_eq(&said(Some(Load { rate: 50.0, keys: 1_000 })));
    }

    #[test]
    fn a_threshold() {
        expect![[r#"
            ┌ events ──────────────────────────────────────────────────┐
            └─┬────────────────────────────────────────────────────────┘
              ▼
            ┌ match ───────────────────────────────────────────────────┐
            │ step 0                                                   │
            │   all of                                                 │
            │     event.category in {"authentication"}                 │
            │     event.outcome in {"failure"}                         │
            └─┬────────────────────────────────────────────────────────┘
              ▼
            ┌ key ─────────────────────────────────────────────────────┐
            │ source.ip: events of one value go to one worker          │
            └─┬────────────────────────────────────────────────────────┘
              ▼
            ┌ window ──────────────────────────────────────────────────┐
            │ 10 events within 5m                                      │
            │ keeps events of the last 5m + 10m, by source.ip          │
            │ events: matched events a second × 15m × about 110 bytes  │
            └─┬────────────────────────────────────────────────────────┘
              ▼
            ┌ episodes ────────────────────────────────────────────────┐
            │ matches of a key at most 10m apart are one               │
            └─┬────────────────────────────────────────────────────────┘
              ▼
            ┌ alerts ──────────────────────────────────────────────────┐
            │ high: <count> " of " <key source.ip>                     │
            └─┬────────────────────────────────────────────────────────┘
              ▼
            ┌ rules over these alerts ─────────────────────────────────┐
            │ rule many                                                │
            └──────────────────────────────────────────────────────────┘
        "#]]
        .assert_eq(&drawn("threshold", None));
    }

    #[test]
    fn a_sequence_and_a_rule_over_alerts() {
        expect![[r#"
            ┌ events ────────────────────────────────────────────────────────────────────┐
            └─┬──────────────────────────────────────────────────────────────────────────┘
              ▼
            ┌ match ─────────────────────────────────────────────────────────────────────┐
            │ step 0 fail x3                                                             │
            │   all of                                                                   │
            │     event.category in {"authentication"}                                   │
            │     event.outcome in {"failure"}                                           │
            │ step 1 ok x1                                                               │
            │   all of                                                                   │
            │     event.category in {"authentication"}                                   │
            │     event.outcome in {"success"}                                           │
            └─┬──────────────────────────────────────────────────────────────────────────┘
              ▼
            ┌ key ───────────────────────────────────────────────────────────────────────┐
            │ source.ip: events of one value go to one worker                            │
            └─┬──────────────────────────────────────────────────────────────────────────┘
              ▼
            ┌ window ────────────────────────────────────────────────────────────────────┐
            │ steps in order within 5m                                                   │
            │ keeps events of all steps of the last 5m, by source.ip                     │
            │ events: matched events a second × 5m = 15000, × about 110 bytes = 1.6 MiB  │
            └─┬──────────────────────────────────────────────────────────────────────────┘
              ▼
            ┌ episodes ──────────────────────────────────────────────────────────────────┐
            │ matches of a key whose spans overlap are one                               │
            └─┬──────────────────────────────────────────────────────────────────────────┘
              ▼
            ┌ alerts ────────────────────────────────────────────────────────────────────┐
            │ medium: "guessed"                                                          │
            └─┬──────────────────────────────────────────────────────────────────────────┘
              ▼
            ┌ rules over these alerts ───────────────────────────────────────────────────┐
            │ rule many                                                                  │
            └────────────────────────────────────────────────────────────────────────────┘
        "#]]
        .assert_eq(&drawn("guessed", Some(Load { rate: 50.0, keys: 1_000 })));
        expect![[r#"
            ┌ alerts of other rules, as events ───────────────────────┐
            │ rule guessed                                            │
            │ rule threshold                                          │
            └─┬───────────────────────────────────────────────────────┘
              ▼
            ┌ match ──────────────────────────────────────────────────┐
            │ step 0                                                  │
            │   all of                                                │
            │     event.kind in {"alert"}                             │
            │     rule.name in {"guessed", "threshold"}               │
            └─┬───────────────────────────────────────────────────────┘
              ▼
            ┌ key ────────────────────────────────────────────────────┐
            │ source.ip: events of one value go to one worker         │
            └─┬───────────────────────────────────────────────────────┘
              ▼
            ┌ window ─────────────────────────────────────────────────┐
            │ 2 events within 1h                                      │
            │ keeps events of the last 1h, by source.ip               │
            │ events: matched events a second × 1h × about 110 bytes  │
            └─┬───────────────────────────────────────────────────────┘
              ▼
            ┌ episodes ───────────────────────────────────────────────┐
            │ matches of a key whose spans overlap are one            │
            └─┬───────────────────────────────────────────────────────┘
              ▼
            ┌ alerts ─────────────────────────────────────────────────┐
            │ medium: "campaign"                                      │
            └─────────────────────────────────────────────────────────┘
        "#]]
        .assert_eq(&drawn("many", None));
    }

    #[test]
    fn a_rule_that_follows_a_list() {
        expect![[r#"
            ┌ events ───────────────────────────────────────────────────────────────────┐
            └─┬─────────────────────────────────────────────────────────────────────────┘
              ▼
            ┌ match ────────────────────────────────────────────────────────────────────┐
            │ step 0                                                                    │
            │   all of                                                                  │
            │     event.category in {"network"}                                         │
            │     source.ip in the list bad, as it changes                              │
            │   ◀ list bad                                                              │
            └─┬─────────────────────────────────────────────────────────────────────────┘
              ▼
            ┌ key ──────────────────────────────────────────────────────────────────────┐
            │ none: each event is for itself                                            │
            └─┬─────────────────────────────────────────────────────────────────────────┘
              ▼
            ┌ window ───────────────────────────────────────────────────────────────────┐
            │ every event is an alert                                                   │
            │ keeps for its lists, events of the last 1d                                │
            │ candidates for its lists: matched events a second × 1d × about 110 bytes  │
            └─┬─────────────────────────────────────────────────────────────────────────┘
              ▼
            ┌ episodes ─────────────────────────────────────────────────────────────────┐
            │ every event is one                                                        │
            └─┬─────────────────────────────────────────────────────────────────────────┘
              ▼
            ┌ alerts ───────────────────────────────────────────────────────────────────┐
            │ medium: "listed"                                                          │
            └───────────────────────────────────────────────────────────────────────────┘
        "#]]
        .assert_eq(&drawn("listed", None));
    }

    #[test]
    fn for_graphviz() {
        let program = program();
        let dot = |rule: &str| dot(&program, program.position(rule).expect("it compiles"), None);
        expect![[r#"
            digraph "listed" {
              rankdir=TB;
              node [shape=box, fontname="monospace"];
              "events" [label="events\l", shape=ellipse];
              "list bad" [label="list bad\l", shape=cylinder];
              "step 0" [label="step 0\lall of\l  event.category in {\"network\"}\l  source.ip in the list bad, as it changes\l"];
              "key" [label="key\lnone: each event is for itself\l"];
              "window" [label="window\levery event is an alert\lkeeps for its lists, events of the last 1d\lcandidates for its lists: matched events a second × 1d × about 110 bytes\l"];
              "episodes" [label="episodes\levery event is one\l"];
              "alerts" [label="alerts\lmedium: \"listed\"\l"];
              "events" -> "step 0";
              "list bad" -> "step 0" [label="as it changes"];
              "step 0" -> "key";
              "key" -> "window" [label="exchange"];
              "window" -> "episodes" [label="matches"];
              "episodes" -> "alerts";
            }
        "#]].assert_eq(&dot("listed"));
        expect![[r#"
            digraph "many" {
              rankdir=TB;
              node [shape=box, fontname="monospace"];
              "rule guessed" [label="rule guessed\l", shape=ellipse];
              "rule threshold" [label="rule threshold\l", shape=ellipse];
              "step 0" [label="step 0\lall of\l  event.kind in {\"alert\"}\l  rule.name in {\"guessed\", \"threshold\"}\l"];
              "key" [label="key\lsource.ip: events of one value go to one worker\l"];
              "window" [label="window\l2 events within 1h\lkeeps events of the last 1h, by source.ip\levents: matched events a second × 1h × about 110 bytes\l"];
              "episodes" [label="episodes\lmatches of a key whose spans overlap are one\l"];
              "alerts" [label="alerts\lmedium: \"campaign\"\l"];
              "rule guessed" -> "step 0";
              "rule threshold" -> "step 0";
              "step 0" -> "key";
              "key" -> "window" [label="exchange"];
              "window" -> "episodes" [label="matches"];
              "episodes" -> "alerts";
            }
        "#]].assert_eq(&dot("many"));
    }
}
