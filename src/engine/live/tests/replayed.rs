//! Live = replay, byte for byte: events in any order within the lateness (and some behind it), lists that change, restarts.

use super::*;
use crate::archive::{ListHistory, end_of_time, snapshot};
use crate::engine::batch::Feed;
use crate::engine::findings::Wanted;
use crate::engine::replay::{AsOf, Replay, Settings, Watch};

/// What happens after a step's events.
#[derive(Clone, Debug)]
enum Turn {
    Nothing,
    Lists([u8; 2]),
    Restart,
    /// Lists are changed while it does not run.
    RestartWith([u8; 2]),
}

fn turn() -> impl Strategy<Value = Turn> {
    let lists = || prop::array::uniform2(any::<u8>());
    prop_oneof![
        4 => Just(Turn::Nothing),
        3 => lists().prop_map(Turn::Lists),
        2 => Just(Turn::Restart),
        1 => lists().prop_map(Turn::RestartWith),
    ]
}

/// Rules of all kinds, with titles that quote events.
fn rules(shape: &Shape) -> String {
    text(shape)
        + "rule s { title \"{user.name} by {source.ip}\" when any where event.code == \"3\" and source.ip in bad retro 15s }
        rule t { when any where event.code in (\"1\", \"4\") and not source.ip in ok }
        rule u { title \"{count} of {source.ip}\" when sequence by user.name within 9s {
            a: any where event.code == \"1\"
            b: any where event.code == \"2\" and source.ip != a.source.ip
        } }
        rule v { when sequence by source.ip within 6s { any where event.code == \"4\"
            not any where event.code == \"5\" } }
        rule w { title \"{count}\" when any where exists user.name by user.name within 7s having distinct(source.ip) >= 3 and count() >= 4 }\n"
}

fn lay(dir: &Path, shape: &Shape, lists: [u8; 2]) {
    write(dir, shape, lists);
    std::fs::write(dir.join("rules/a.weir"), rules(shape)).unwrap();
}

/// The alerts as they stand in the log, as JSON, in their order.
pub(super) fn log(dir: &Path) -> Vec<String> {
    let mut alerts: Vec<Alert> = current(dir).into_values().collect();
    alerts.sort_by(|a, b| crate::correlate::changes::order(a).cmp(&crate::correlate::changes::order(b)));
    alerts.iter().map(|alert| serde_json::to_string(alert).unwrap()).collect()
}

pub(super) fn replay(dir: &Path, workers: usize, speed: Option<f64>) -> Vec<String> {
    let data = dir.join("data");
    let history = ListHistory::read(&data).unwrap();
    let end = end_of_time(&data).unwrap().max(history.watermark());
    let replay = Replay::new(Origin::Folder(dir.join("rules")).load().unwrap(), history, AsOf::Live);
    let settings = Settings { workers, from: i64::MIN, until: end, wanted: Wanted::Json };
    let produce = |feed: &mut Feed| {
        let stored = snapshot(&data).unwrap();
        for (numbers, judge) in replay.judges(speed.is_some()) {
            let read = stored.read(Some(judge.columns()), i64::MIN..=i64::MAX, numbers.clone()).unwrap();
            let read = read.only(judge.keep());
            feed.judged_by(judge, numbers.start);
            read.for_each(|batch| feed.send(batch.unwrap()).unwrap());
        }
    };
    if let Some(speed) = speed {
        let mut standing: BTreeMap<AlertId, Alert> = BTreeMap::new();
        let mut say = |changes: Vec<AlertChange>| {
            for AlertChange { change, alert, .. } in changes {
                match change {
                    crate::alert::Change::Added | crate::alert::Change::Changed => standing.insert(alert.id, alert),
                    crate::alert::Change::Superseded { .. } | crate::alert::Change::Withdrawn => {
                        standing.remove(&alert.id)
                    }
                };
            }
            true
        };
        replay.paced(&settings, &produce, speed, &Watch::default(), &mut say, &|_| {}).unwrap();
        let mut alerts: Vec<Alert> = standing.into_values().collect();
        alerts.sort_by(|a, b| crate::correlate::changes::order(a).cmp(&crate::correlate::changes::order(b)));
        return alerts.iter().map(|alert| serde_json::to_string(alert).unwrap()).collect();
    }
    let (_, mut found) = replay.whole(&settings, &produce, &|_| {}).unwrap();
    let mut lines = Vec::new();
    let mut take = |json: &[u8]| {
        lines.push(String::from_utf8(json.to_vec()).unwrap());
        Ok(())
    };
    found.for_each(&mut take).unwrap();
    lines
}

fn same(shape: Shape, lists: [u8; 2], steps: &[(Vec<Event>, Turn)]) -> Result<(), TestCaseError> {
    let dir = tempfile::tempdir().unwrap();
    lay(dir.path(), &shape, lists);
    let mut run = Run::open(dir.path());
    for (step, (events, turn)) in steps.iter().enumerate() {
        run.epoch(&lines(step, events));
        match turn {
            Turn::Nothing => {}
            Turn::Lists(lists) => {
                lay(dir.path(), &shape, *lists);
                run.reload();
                run.settle(true);
            }
            Turn::Restart => {
                run.end();
                run = Run::open(dir.path());
            }
            Turn::RestartWith(lists) => {
                run.end();
                lay(dir.path(), &shape, *lists);
                run = Run::open(dir.path());
            }
        }
    }
    run.end();
    let live = log(dir.path());
    prop_assert_eq!(&replay(dir.path(), 1, None), &live);
    prop_assert_eq!(&replay(dir.path(), 2, None), &live, "two workers");
    prop_assert_eq!(&replay(dir.path(), 1, Some(1e6)), &live, "paced");
    Ok(())
}

/// As [`events`], and some that come too late for windows.
fn unruly() -> impl Strategy<Value = Vec<Event>> {
    let delay = prop_oneof![6 => 0i64..4, 1 => 4i64..40];
    let one = (0..STEP, delay, 1u8..6, 1u8..5, 1u8..3);
    prop::collection::vec(one.prop_map(|(at, delay, code, ip, user)| Event { at, delay, code, ip, user }), 0..12)
}

proptest! {
    #![proptest_config(cases(32))]

    #[test]
    fn a_replay_says_what_was_said_live(
        shape in shape(),
        lists in prop::array::uniform2(any::<u8>()),
        steps in prop::collection::vec((unruly(), turn()), 1..10),
    ) {
        same(shape, lists, &steps)?;
    }

    #[test]
    fn so_it_does_while_lists_stay(
        shape in shape(),
        lists in prop::array::uniform2(any::<u8>()),
        steps in prop::collection::vec((unruly(), prop_oneof![3 => Just(Turn::Nothing), 1 => Just(Turn::Restart)]), 1..10),
    ) {
        same(shape, lists, &steps)?;
    }
}
