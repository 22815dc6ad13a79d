//! Stored events through the rules again, by the lists as they were.
//!
//! In: rules, what stood in lists and when, a producer of stored batches. Out: the alerts that stand in the
//! end ([`Replay::whole`]), or every change of theirs at the speed of the events ([`Replay::paced`]).
//!
//! Where no list changed that a rule follows, a replay is a finite input like any other ([`batch`]); each event is matched
//! by the lists that it was judged by when it was accepted ([`Judge`]). Otherwise changes of lists go into the dataflow at the
//! watermarks at which they came, as after a restart.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use super::EngineError;
use super::batch::{self, Bundle, Feed, Phase};
use super::damping::Damping;
use super::findings::{Findings, Wanted};
use super::judge::Judge;
use super::rules::Rules;
use super::turns::{Turn, Turns};
use crate::alert::{Alert, AlertChange, AlertId, Cause, Change};
use crate::archive::{ListHistory, Lists};
use crate::correlate::spool::{Overflow, Spool, SpoolError};
use crate::correlate::{self, Emit, Input, Outputs, changes};
use crate::matching::MatchRow;
use crate::rule::plan::Program;

/// Batches under way to the spool.
const BATCHES_IN_FLIGHT: usize = 2;
/// How often time moves on in a paced replay.
const TICK: Duration = Duration::from_millis(100);

/// By which lists events are judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AsOf {
    /// Each event by the lists as they were when it was accepted, and by what changed in them since, as the live run did.
    Live,
    /// As their files are now.
    Now,
    /// As they stood at this time, µs UTC.
    Time(i64),
}

/// Rules, and by which lists they judge which events.
pub struct Replay {
    rules: Rules,
    history: ListHistory,
    /// Numbers of events, as they were accepted, and what stood in lists then.
    spans: Vec<(Range<u64>, Lists)>,
    /// A list changed, and there is a rule that follows some.
    follows: bool,
}

/// How a replay is run.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Dataflow workers.
    pub workers: usize,
    /// The time from which on there are events, µs.
    pub from: i64,
    /// How far time is at the end of the input, µs: see [`batch::Settings::until`].
    pub until: Option<i64>,
    /// What is wanted of each alert that stands in the end.
    pub wanted: Wanted,
}

/// What a paced replay tells while it runs, and is told.
#[derive(Default)]
pub struct Watch {
    /// Set to end it.
    pub stop: AtomicBool,
    /// How far it is, µs of event time.
    pub reached: AtomicI64,
}

impl Replay {
    /// A replay by these rules of what was archived while lists stood so.
    pub fn new(rules: Rules, history: ListHistory, as_of: AsOf) -> Replay {
        let lists = match as_of {
            AsOf::Live => history.latest(&rules.lists),
            AsOf::Now => rules.lists.clone(),
            AsOf::Time(at) => history.as_of(&rules.lists, at),
        };
        let rules = if lists == rules.lists { rules } else { rules.with_lists(&lists) };
        let spans = match as_of {
            AsOf::Live => history.spans(&rules.lists, u64::MAX),
            AsOf::Now | AsOf::Time(_) => vec![(0..u64::MAX, rules.lists.clone())],
        };
        let moved = spans.len() > 1;
        let follows = moved && rules.program.rules.iter().any(|rule| rule.retroactive().is_some());
        Replay { rules, history, spans, follows }
    }

    /// The program that alerts are of.
    pub fn program(&self) -> &Arc<Program> {
        &self.rules.program
    }

    /// How often lists changed that rules read.
    pub fn changes(&self) -> usize {
        self.spans.len().saturating_sub(1)
    }

    /// For spans of events, by their numbers, who judges them.
    pub fn judges(&self, paced: bool) -> impl Iterator<Item = (Range<u64>, Judge)> {
        let emit = self.emit(paced);
        self.spans.iter().map(move |(numbers, lists)| (numbers.clone(), Judge::then(&self.rules, lists, emit)))
    }

    /// Who judges events of which nobody knows when they were accepted: by the lists as they stood last.
    pub fn judge(&self, paced: bool) -> Judge {
        Judge::new(&self.rules.program, self.emit(paced))
    }

    fn emit(&self, paced: bool) -> Emit {
        if paced || self.follows { Emit::Running } else { Emit::Final }
    }

    /// The alerts that stand in the end. `produce` is as in [`batch::run`]; it has each span of events judged by its judge.
    pub fn whole<T: Send>(
        &self,
        settings: &Settings,
        produce: &(impl Fn(&mut Feed) -> T + Sync),
        progress: &dyn Fn(Phase),
    ) -> Result<(T, Findings), EngineError> {
        let (program, Settings { workers, until, wanted, .. }) = (self.rules.program.clone(), *settings);
        if !self.follows {
            let settings = batch::Settings { program, workers, archive: None, once: false, until, wanted };
            return batch::run(&settings, produce, progress);
        }
        let mut standing: BTreeMap<AlertId, Alert> = BTreeMap::new();
        let mut take = |changes: Vec<AlertChange>| {
            for change in changes {
                match change.change {
                    Change::Added | Change::Changed => standing.insert(change.alert.id, change.alert),
                    Change::Superseded { .. } | Change::Withdrawn => standing.remove(&change.alert.id),
                };
            }
            true
        };
        let produced = self.run(settings, produce, None, &Watch::default(), &mut take, progress)?;
        let mut findings = Findings::new(&folder(), wanted);
        for alert in standing.values() {
            let Some(rule) = program.position(&alert.rule) else { continue };
            findings.push(rule, alert).map_err(|cause| SpoolError::Disk { folder: folder(), cause })?;
        }
        Ok((produced, findings))
    }

    /// Every change of alerts, when it would come if the events came now, `speed` times as fast as they did. `say` is told of
    /// them as the live page is, until it says `false`; the time of a change is that of the events.
    pub fn paced<T: Send>(
        &self,
        settings: &Settings,
        produce: &(impl Fn(&mut Feed) -> T + Sync),
        speed: f64,
        watch: &Watch,
        say: &mut (dyn FnMut(Vec<AlertChange>) -> bool + Send),
        progress: &dyn Fn(Phase),
    ) -> Result<T, EngineError> {
        self.run(settings, produce, Some(speed), watch, say, progress)
    }

    fn run<T: Send>(
        &self,
        settings: &Settings,
        produce: &(impl Fn(&mut Feed) -> T + Sync),
        speed: Option<f64>,
        watch: &Watch,
        say: &mut (dyn FnMut(Vec<AlertChange>) -> bool + Send),
        progress: &dyn Fn(Phase),
    ) -> Result<T, EngineError> {
        let program = &self.rules.program;
        let (out, bundles) = bounded(BATCHES_IN_FLIGHT);
        let mut feed = Feed::new(Judge::new(program, Emit::Running), out, false);
        let (produced, read) = std::thread::scope(|scope| {
            let producer = scope.spawn(move || produce(&mut feed));
            let read = Read::all(&bundles, watch);
            drop(bundles);
            (producer.join().map_err(|_| EngineError::Stage("reading")), read)
        });
        let (produced, Read { spool, late, greatest }) = (produced?, read?);
        progress(Phase::Correlating);
        let (input, outputs) = correlate::start(program.clone(), settings.workers, Emit::Running)?;
        let (times, said) = unbounded();
        let turns = Turns::new(&self.history, &self.rules, settings.from);
        let turns = if self.spans.len() > 1 { turns } else { Turns::none() };
        let until = settings.until.unwrap_or(i64::MAX - 1);
        std::thread::scope(|scope| {
            let hear = scope.spawn(move || hear(program, outputs, &said, speed.is_some(), watch, say));
            // INVARIANT: its input ends with it, which is what the other thread waits for.
            let mut course = Course { input, turns, late, until, times };
            let end = settings.until.unwrap_or(greatest.saturating_add(1));
            let ran = match speed {
                None => course.run(spool, end),
                Some(speed) => course.pace(spool, end, speed, watch),
            };
            drop(course);
            let heard = hear.join().map_err(|_| EngineError::Stage("alert"))?;
            ran.and(heard)
        })?;
        Ok(produced)
    }
}

fn folder() -> PathBuf {
    std::env::var_os("TMPDIR").map_or_else(std::env::temp_dir, PathBuf::from)
}

/// Everything that was read.
struct Read {
    spool: Spool,
    /// What came too late for windows, by the number of the event from which on lists stood that judged it.
    late: BTreeMap<u64, Vec<MatchRow>>,
    /// Time of the latest event, µs.
    greatest: i64,
}

impl Read {
    fn all(bundles: &Receiver<Bundle>, watch: &Watch) -> Result<Read, EngineError> {
        let spool = Spool::new(Overflow::Spill, Overflow::Spill.budget(), &folder());
        let mut read = Read { spool, late: BTreeMap::new(), greatest: i64::MIN };
        for mut bundle in bundles {
            if watch.stop.load(Ordering::Relaxed) {
                break;
            }
            read.greatest = read.greatest.max(bundle.greatest);
            read.spool.push(bundle.rows)?;
            if !bundle.late.is_empty() {
                read.late.entry(bundle.span).or_default().append(&mut bundle.late);
            }
        }
        Ok(read)
    }
}

/// Sends rows as time goes by, and changes of lists where they came.
struct Course {
    input: Input,
    turns: Turns,
    late: BTreeMap<u64, Vec<MatchRow>>,
    until: i64,
    /// Where the time of each epoch goes.
    times: Sender<i64>,
}

impl Course {
    /// All at once.
    fn run(&mut self, mut spool: Spool, end: i64) -> Result<(), EngineError> {
        self.begin()?;
        while let Some((rows, reached)) = spool.next_epoch()? {
            self.go(rows, reached)?;
        }
        self.go(Vec::new(), end)
    }

    /// At a multiple of the speed at which it happened.
    fn pace(&mut self, mut spool: Spool, end: i64, speed: f64, watch: &Watch) -> Result<(), EngineError> {
        self.begin()?;
        let mut waiting = spool.next_epoch()?.map_or(Vec::new(), |(rows, _)| rows);
        let (began, first) = (Instant::now(), waiting.first().map_or(end, |row| row.time));
        while !waiting.is_empty() && !watch.stop.load(Ordering::Relaxed) {
            let passed = (began.elapsed().as_secs_f64() * speed * 1e6) as i64;
            let now = first.saturating_add(passed).min(i64::MAX - 1);
            let mut due = Vec::new();
            while !waiting.is_empty() {
                let later = waiting.split_off(waiting.partition_point(|row| row.time < now));
                due.append(&mut waiting);
                waiting = later;
                if !waiting.is_empty() {
                    break;
                }
                waiting = spool.next_epoch()?.map_or(Vec::new(), |(rows, _)| rows);
            }
            self.go(due, now)?;
            watch.reached.store(now.min(end), Ordering::Relaxed);
            std::thread::sleep(TICK);
        }
        if watch.stop.load(Ordering::Relaxed) { Ok(()) } else { self.go(Vec::new(), end) }
    }

    /// The lists as they were at the beginning.
    fn begin(&mut self) -> Result<(), EngineError> {
        let changes = self.turns.begin();
        self.input.change_lists(changes);
        self.send_late(i64::MIN)
    }

    /// Sends rows, all of them before a time, and lets time be there.
    fn go(&mut self, mut rows: Vec<MatchRow>, reached: i64) -> Result<(), EngineError> {
        let reached = reached.min(self.until);
        while let Some(Turn { at, changes }) = self.turns.next(reached) {
            let later = rows.split_off(rows.partition_point(|row| row.time < at));
            self.send(std::mem::replace(&mut rows, later), at)?;
            self.input.change_lists(changes);
            self.send_late(at)?;
        }
        self.send(rows, reached)
    }

    /// Sends, with the lists as they are now, what came too late for windows while they stood.
    fn send_late(&mut self, watermark: i64) -> Result<(), EngineError> {
        let later = self.turns.before().map_or(BTreeMap::new(), |before| self.late.split_off(&before));
        let due = std::mem::replace(&mut self.late, later);
        self.send(due.into_values().flatten().collect(), watermark)
    }

    fn send(&mut self, rows: Vec<MatchRow>, watermark: i64) -> Result<(), EngineError> {
        // Whoever hears of it may have stopped; the dataflow says so.
        self.times.send(watermark).ok();
        self.input.send(rows, watermark)?;
        Ok(())
    }
}

/// Tells what the dataflow says.
fn hear(
    program: &Program,
    mut outputs: Outputs,
    times: &Receiver<i64>,
    damped: bool,
    watch: &Watch,
    say: &mut (dyn FnMut(Vec<AlertChange>) -> bool + Send),
) -> Result<(), EngineError> {
    let (mut damping, mut goes_on) = (Damping::default(), true);
    while let Some(output) = outputs.receive()? {
        let at = times.recv().unwrap_or_default();
        let mut changes = changes::changes(program, &output.changes, at);
        if output.lists_changed {
            changes.iter_mut().for_each(|change| change.cause = Some(Cause::ListChanged));
        }
        let due = if damped { damping.pass(changes) } else { changes };
        if goes_on && !due.is_empty() && !say(due) {
            goes_on = false;
            watch.stop.store(true, Ordering::Relaxed);
        }
    }
    let rest = damping.flush();
    if goes_on && !rest.is_empty() {
        say(rest);
    }
    Ok(())
}
