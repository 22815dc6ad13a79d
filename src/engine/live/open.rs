//! The start of a running engine: a data folder and rules in, its threads out.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::{mpsc, watch};

use super::super::alerts::{Alerts, Told};
use super::super::past::Past;
use super::super::record::record;
use super::super::reload::{Reloader, Running, Runs};
use super::super::{EngineError, restart};
use super::gather::{Inlets, Pulse};
use super::together::{self, Others};
use super::{CHUNKS, Engine, Pipeline, QUEUE, Settings};
use crate::archive::{self, AlertLog, Archive, Kept, ListLog};
use crate::correlate::Outputs;
use crate::correlate::clock::Clock;
use crate::event::earlier::Earlier;
use crate::event::raw::RawLog;
use crate::event::time;
use crate::matching::{Matcher, Scratch};
use crate::metrics::Metrics;
use crate::rule::explain;
use crate::rule::plan::Program;
use crate::serve::live::Hub;

/// Opens the data folder, rebuilds state from it and starts the threads.
pub fn start(settings: Settings, hub: Arc<Hub>, metrics: Arc<Metrics>) -> Result<Engine, EngineError> {
    let Opened { pipeline, inlets, alerts, outputs, blocks, reloader, left } = open(settings, hub, metrics)?;
    let checkpoints = pipeline.archive.checkpoints();
    let spawn = |name: &str, body: Box<dyn FnOnce() -> Result<(), EngineError> + Send>| {
        std::thread::Builder::new().name(name.to_owned()).spawn(body).map_err(EngineError::Thread)
    };
    let threads = vec![
        spawn("pipeline", Box::new(move || pipeline.run(inlets)))?,
        spawn("alerts", Box::new(move || alerts.run(outputs)))?,
    ];
    Ok(Engine { blocks, checkpoints, reloader: Arc::new(reloader), left, threads })
}

/// An engine whose threads have not started.
pub(super) struct Opened {
    pub(super) pipeline: Pipeline,
    pub(super) inlets: Inlets,
    pub(super) alerts: Alerts,
    pub(super) outputs: Outputs,
    pub(super) blocks: mpsc::Sender<RawLog>,
    pub(super) reloader: Reloader,
    pub(super) left: watch::Receiver<Option<usize>>,
}

pub(super) fn open(settings: Settings, hub: Arc<Hub>, metrics: Arc<Metrics>) -> Result<Opened, EngineError> {
    say_if_kept_short(&settings.archive.retention, &settings.rules.program);
    let mut archive = Archive::open(&settings.data, settings.archive.clone())?;
    let log = AlertLog::open(&settings.data)?;
    let mut lists = ListLog::open(&settings.data)?;
    let rules = Arc::new(settings.rules);
    // What is archived was judged by the lists as they were.
    let watermark = restart::watermark(&archive, lists.history(), settings.lateness);
    lists.record(archive.cut(), time::now(), watermark.unwrap_or(i64::MIN), &rules.lists)?;
    record(&settings.data, &rules.program)?;
    let together = settings.cluster.is_some();
    let (input, mut outputs) = together::start(settings.cluster.as_ref(), &settings.data, &rules, settings.workers)?;
    // INVARIANT: goes before the outputs, whose end waits for it.
    let mut input = input;
    let past = Past {
        snapshot: archive::snapshot(&settings.data)?,
        history: lists.history().clone(),
        before: archive.sequence(),
        watermark,
    };
    let earlier = archive::earlier(&past.snapshot).unwrap_or_else(|error| {
        tracing::warn!("{error}; lines that are equal to some of before may get equal ids");
        Earlier::default()
    });
    let rebuilt = restart::rebuild(&rules, &archive, &past, log.current(), &mut input, &mut outputs)?;
    hub.load_alerts(log.current().values());
    let (blocks, receiver) = mpsc::channel(QUEUE);
    let (changes, changed) = mpsc::channel(1);
    let (fill, fills) = mpsc::channel(CHUNKS);
    let (fillers, filler) = crossbeam_channel::unbounded();
    let (relay, relayed) = crossbeam_channel::unbounded();
    let mut clock = Clock::new(settings.lateness, rebuilt.watermark);
    settings.held.iter().for_each(|name| clock.expect(name.as_str().into(), time::now()));
    let (others, left, hurry) = Others::new(&input);
    let inlets = Inlets::new(receiver, changed, fills, hurry);
    let told = Told { fillers: filler, relay: relayed };
    let alerts = Alerts::new(input.roster().clone(), log, rebuilt, told, hub.clone(), metrics.clone());
    let running: Running = Arc::new(Mutex::new(Runs { rules: rules.clone(), kept: false }));
    let runs = running.clone();
    let reloader = Reloader::new(settings.origin, rules.clone(), changes, runs, hub.clone(), metrics.clone(), together);
    let pipeline = Pipeline {
        matcher: Matcher::live(&rules.program),
        scratch: Scratch::default(),
        clock,
        sources: HashMap::new(),
        earlier: Arc::new(earlier),
        settings: settings.ingest,
        reach: restart::reach(&rules.program),
        rules,
        data: settings.data,
        archive,
        refusal: None,
        lists,
        input,
        pulse: Pulse::default(),
        others,
        workers: settings.workers,
        fill,
        fillers,
        relay,
        change: 0,
        present: Arc::default(),
        pending: None,
        running,
        hub,
        metrics,
    };
    Ok(Opened { pipeline, inlets, alerts, outputs, blocks, reloader, left })
}

/// Warns when events are to stay for less time than a restart needs them for these rules.
pub fn say_if_kept_short(kept: &Kept, program: &Program) {
    let reach = restart::reach(program);
    if let Some(age) = kept.get().shortest().filter(|age| *age < reach) {
        let (age, reach) = (explain::duration(age), explain::duration(reach));
        tracing::warn!(
            "events stay for {reach}, not {age}: so far back a restart needs them for rules that run (`weir explain`)"
        );
    }
}
