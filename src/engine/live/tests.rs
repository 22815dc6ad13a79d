//! Rules and lists that change while events flow, and restarts, against an engine that had the last rules all the time.
//!
//! Everything the engine does is done here in turn; only what reads the past has a thread, which is waited for.

mod directed;
mod replayed;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use proptest::prelude::*;

use super::open::{Opened, open};
use super::*;
use crate::alert::{Alert, AlertChange, AlertId};
use crate::archive::{AlertLog, alert_changes};
use crate::correlate::roster::is_fixed;
use crate::ingest::block_of;

/// Seconds of events to a step of the test.
const STEP: i64 = 10;
const START: i64 = 1_768_471_200;
const LATENESS: i64 = 5 * time::SECOND;

struct Run {
    dir: PathBuf,
    pipeline: Pipeline,
    inlets: Inlets,
    reloader: Arc<Reloader>,
    alerts: JoinHandle<Result<(), EngineError>>,
    hub: Arc<Hub>,
    /// The past of rules that joined is being read.
    joined: bool,
}

impl Run {
    fn open(dir: &Path) -> Run {
        let origin = Origin::Folder(dir.join("rules"));
        let rules = origin.load().unwrap();
        assert!(!rules.has_errors(), "{:?}", rules.diagnostics);
        let hub = Hub::new(crate::serve::live::Settings::default());
        let settings = Settings {
            cluster: None,
            data: dir.join("data"),
            rules,
            origin,
            workers: 1,
            lateness: LATENESS,
            ingest: ingest::Settings::default(),
            archive: Default::default(),
            held: Vec::new(),
        };
        let Opened { pipeline, inlets, alerts, outputs, reloader, .. } =
            open(settings, hub.clone(), Arc::default()).unwrap();
        let alerts = std::thread::spawn(move || alerts.run(outputs));
        Run { dir: dir.to_owned(), pipeline, inlets, reloader: Arc::new(reloader), alerts, hub, joined: false }
    }

    fn epoch(&mut self, lines: &str) {
        let blocks = if lines.is_empty() { vec![] } else { vec![block_of("test", lines.to_owned(), time::now())] };
        self.pipeline.epoch(blocks, true).unwrap();
    }

    /// Reads the rules again.
    fn reload(&mut self) {
        let report = self.reloader.reload();
        assert!(report.is_ok(), "{report:?}");
        if let Ok(change) = self.inlets.changes.try_recv() {
            let before = self.pipeline.input.roster().clone();
            self.pipeline.change(change).unwrap();
            let roster = self.pipeline.input.roster();
            if !Arc::ptr_eq(&before, roster) {
                self.joined = roster.filling().next().is_some();
            }
        }
    }

    /// Takes what was read of the past: all, or what is there.
    fn settle(&mut self, all: bool) {
        loop {
            let wanted = all && (self.pipeline.pending.is_some() || self.joined);
            let filled = if wanted { self.inlets.fills.blocking_recv() } else { self.inlets.fills.try_recv().ok() };
            let Some(filled) = filled else { return };
            if let Filled::End(change) = &filled {
                self.joined &= *change != self.pipeline.present.load(std::sync::atomic::Ordering::Relaxed);
            }
            if let Filled::CaughtUp(successor) = &filled {
                self.joined &= successor.stop.load(std::sync::atomic::Ordering::Relaxed);
            }
            self.pipeline.fill(filled).unwrap();
        }
    }

    /// Ends it; all that was said is written.
    fn end(mut self) -> PathBuf {
        (0..4).for_each(|_| self.epoch(""));
        let Run { dir, pipeline, inlets, alerts, .. } = self;
        drop(inlets);
        {
            // The dataflow ends with the rest of it.
            let Pipeline { archive, .. } = { pipeline };
            archive.close().unwrap();
        }
        alerts.join().unwrap().unwrap();
        dir
    }
}

fn said(dir: &Path) -> Vec<AlertChange> {
    alert_changes(&dir.join("data"), "").unwrap()
}

fn current(dir: &Path) -> BTreeMap<AlertId, Alert> {
    AlertLog::open(&dir.join("data")).unwrap().current().clone()
}

/// What happened.
#[derive(Clone, Debug)]
struct Event {
    /// Seconds into its step.
    at: i64,
    delay: i64,
    code: u8,
    ip: u8,
    user: u8,
}

fn lines(step: usize, events: &[Event]) -> String {
    let line = |n: usize, time: i64, code: u8, ip: u8, user: u8| {
        let time = time::rfc3339(time * time::SECOND);
        format!(
            "{{\"@timestamp\":\"{time}\",\"event.code\":\"{code}\",\"source.ip\":\"192.0.2.{ip}\",\"user.name\":\"u{user}\",\"message\":\"{step}.{n}\"}}\n"
        )
    };
    let start = START + step as i64 * STEP;
    let each = events.iter().enumerate().map(|(n, e)| line(n, start + e.at - e.delay, e.code, e.ip, e.user));
    // Time is the same for all runs.
    each.chain([line(events.len(), start + STEP, 0, 0, 0)]).collect()
}

/// For each rule which variant there is, 0 for none.
type Shape = [u8; 8];

fn text(shape: &Shape) -> String {
    let mut text = "list bad from \"bad.txt\"\nlist ok from \"ok.txt\"\n".to_owned();
    for (rule, variant) in shape.iter().enumerate().filter(|(_, variant)| **variant > 0) {
        let (name, n) = (char::from(b'a' + rule as u8), usize::from(*variant));
        let body = match rule {
            0 => format!(
                "risk 20 when any where event.code == \"1\" by source.ip within 10s having count() >= {} cooldown 3s",
                n + 1
            ),
            1 => format!(
                "risk 10 when any where event.code in (\"1\", \"2\") and source.ip in bad by user.name within 8s having count() >= {n} retro 30s"
            ),
            2 => format!(
                "when any where event.code == \"3\" and source.ip in bad by source.ip within 1s having count() >= {n} retro 20s"
            ),
            3 => format!(
                "when any where event.code == \"2\" and not source.ip in ok by source.ip within 6s having count() >= {n}"
            ),
            4 => format!("risk {n} when any where event.code == \"4\""),
            // Over alerts.
            5 => format!(
                "when alert where rule.name in (\"a\", \"c\", \"d\") by source.ip within 20s having count() >= {n}"
            ),
            6 => format!("when alert where risk > 5 by user.name within 15s having count() >= {n} cooldown 5s"),
            _ => format!("when alert where rule.name in (\"f\", \"g\") or risk == {n}"),
        };
        text.push_str(&format!("rule {name} {{ {body} }}\n"));
    }
    // What looks at alerts must find a rule that raises them.
    text.push_str("rule y { risk 7 when any where event.code == \"5\" by user.name within 5s having count() >= 2 }\n");
    text
}

fn write(dir: &Path, shape: &Shape, lists: [u8; 2]) {
    std::fs::create_dir_all(dir.join("rules")).unwrap();
    let list =
        |bits: u8| (1..5).filter(|ip| bits >> ip & 1 == 1).map(|ip| format!("192.0.2.{ip}\n")).collect::<String>();
    std::fs::write(dir.join("rules/a.weir"), text(shape)).unwrap();
    // A list that is empty is warned of.
    std::fs::write(dir.join("rules/bad.txt"), list(lists[0]) + "198.51.100.1\n").unwrap();
    std::fs::write(dir.join("rules/ok.txt"), list(lists[1]) + "198.51.100.1\n").unwrap();
}

/// What comes after a step's events.
#[derive(Clone, Debug)]
enum Then {
    Nothing,
    Rules(Shape),
    Lists([u8; 2]),
    Both(Shape, [u8; 2]),
    Restart,
}

fn possible(mut shape: Shape) -> Shape {
    // Rules over alerts of rules that are not there are errors.
    if shape[0] + shape[2] + shape[3] == 0 {
        shape[5] = 0;
    }
    if shape[5] + shape[6] == 0 {
        shape[7] = 0;
    }
    if [0, 2, 3].iter().any(|r| shape[*r] == 0) {
        shape[5] = 0;
    }
    if [5, 6].iter().any(|r| shape[*r] == 0) {
        shape[7] = 0;
    }
    shape
}

fn shape() -> impl Strategy<Value = Shape> {
    prop::array::uniform8(prop_oneof![1 => Just(0u8), 3 => Just(1u8), 2 => Just(2u8)]).prop_map(possible)
}

fn then() -> impl Strategy<Value = Then> {
    let lists = || prop::array::uniform2(any::<u8>());
    prop_oneof![
        4 => Just(Then::Nothing),
        3 => shape().prop_map(Then::Rules),
        3 => lists().prop_map(Then::Lists),
        1 => (shape(), lists()).prop_map(|(shape, lists)| Then::Both(shape, lists)),
        2 => Just(Then::Restart),
    ]
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let one = (0..STEP, 0i64..4, 1u8..6, 1u8..5, 1u8..3);
    prop::collection::vec(one.prop_map(|(at, delay, code, ip, user)| Event { at, delay, code, ip, user }), 0..12)
}

/// A step: events, what follows them, and whether the past is waited for.
type Steps = Vec<(Vec<Event>, Then, bool)>;

/// From when on what a rule says is exact, µs; always, when it is not here.
type Exact = BTreeMap<String, i64>;

/// The same once there is another program.
fn after(exact: &Exact, old: &Rules, new: &Rules, watermark: i64) -> Exact {
    let mut exact = exact.clone();
    let continues = new.continues(old);
    let fixed = is_fixed(&old.program) || is_fixed(&new.program);
    let lower = continues.iter().zip(&new.program.rules).any(|(was, rule)| was.is_none() && rule.level < 2)
        || old.program.rules.iter().any(|rule| new.program.position(&rule.name).is_none());
    for (was, rule) in continues.iter().zip(&new.program.rules) {
        let reach = if fixed { new.program.horizon() } else { rule.reach() };
        if was.is_none() || rule.level > 0 && lower {
            exact.insert(rule.name.clone(), watermark.saturating_sub(reach));
        }
    }
    exact
}

fn check(first: Shape, lists: [u8; 2], steps: &Steps) -> Result<(), TestCaseError> {
    let (dir, fresh) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let last = steps.iter().rev().find_map(|(_, then, _)| match then {
        Then::Rules(shape) | Then::Both(shape, _) => Some(*shape),
        Then::Nothing | Then::Lists(_) | Then::Restart => None,
    });
    let last = last.unwrap_or(first);
    let (mut shape, mut lists) = (first, lists);
    write(dir.path(), &shape, lists);
    write(fresh.path(), &last, lists);
    let (mut run, mut reference) = (Run::open(dir.path()), Run::open(fresh.path()));
    // Of what runs, and of what may be filled beside it.
    let (mut exact, mut coming) = (Exact::new(), Exact::new());
    for (step, (events, then, settle)) in steps.iter().enumerate() {
        let lines = lines(step, events);
        run.epoch(&lines);
        reference.epoch(&lines);
        if run.joined && !matches!(then, Then::Nothing) {
            // What joins a dataflow while other rules do is another test's matter.
            run.settle(true);
        }
        match then {
            Then::Nothing => {}
            Then::Rules(next) => shape = *next,
            Then::Lists(next) => lists = *next,
            Then::Both(next, content) => (shape, lists) = (*next, *content),
            Then::Restart => {
                run.settle(*settle);
                if run.pipeline.pending.is_none() {
                    exact = coming.clone();
                }
                let (old, new, watermark) =
                    (run.pipeline.rules.clone(), run.reloader.rules(), run.pipeline.clock.watermark());
                coming = after(&exact, &old, &new, watermark);
                let known = current(&run.end());
                run = Run::open(dir.path());
                if *settle {
                    prop_assert_eq!(current(&run.end()), known, "a restart changes nothing, step {}", step);
                    run = Run::open(dir.path());
                }
            }
        }
        if let Then::Rules(_) | Then::Both(..) | Then::Lists(_) = then {
            write(dir.path(), &shape, lists);
            write(fresh.path(), &last, lists);
            let old = run.pipeline.rules.clone();
            run.reload();
            coming = after(&exact, &old, &run.reloader.rules(), run.pipeline.clock.watermark());
            reference.reload();
            reference.settle(true);
        }
        run.settle(*settle);
        if run.pipeline.pending.is_none() {
            exact = coming.clone();
        }
    }
    run.settle(true);
    exact = coming;
    let (said, expected) = (current(&run.end()), current(&reference.end()));
    let present = |a: &Alert| a.rule == "y" || shape[usize::from(a.rule.as_bytes()[0] - b'a')] > 0;
    let kept = |alerts: BTreeMap<AlertId, Alert>| -> BTreeMap<AlertId, Alert> {
        let is_exact = |a: &Alert| exact.get(&a.rule).is_none_or(|from| a.first >= *from);
        alerts.into_iter().filter(|(_, a)| present(a) && is_exact(a)).collect()
    };
    prop_assert_eq!(kept(said), kept(expected));
    Ok(())
}

/// `WEIR_CASES` sets how many random cases are tried.
fn cases(default: u32) -> ProptestConfig {
    let cases = std::env::var("WEIR_CASES").ok().and_then(|c| c.parse().ok()).unwrap_or(default);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases(32))]

    #[test]
    fn whatever_changes_it_ends_as_if_it_had_always_been_so(
        first in shape(),
        lists in prop::array::uniform2(any::<u8>()),
        steps in prop::collection::vec((events(), then(), any::<bool>()), 1..16),
    ) {
        check(first, lists, &steps)?;
    }
}
