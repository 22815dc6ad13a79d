//! Drawings and sizes of a rule of each form.

use expect_test::expect;

use super::*;
use crate::rule::compile_alone;

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
    let compiled = compile_alone("a.weir", RULES);
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
