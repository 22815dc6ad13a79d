//! A replay at the speed of the events, or a multiple: alerts as they would come.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context;

use super::super::signals::Signals;
use super::source::Sources;
use super::{Range, alerts};
use crate::alert::{AlertChange, Change};
use crate::engine::batch::Feed;
use crate::engine::counted;
use crate::engine::replay::{Replay, Settings, Watch};
use crate::event::time::rfc3339;

/// How often the clock is shown.
const SHOWN: Duration = Duration::from_millis(200);

/// Prints changes as they come, until the end or Ctrl-C. Returns how many alerts came.
pub(super) fn run(
    replay: &Replay,
    settings: &Settings,
    sources: &Sources,
    range: Range,
    speed: f64,
    json: bool,
    out: Option<&Path>,
) -> anyhow::Result<u64> {
    let cannot =
        |path: &Path| format!("cannot write {}: name a file in a folder that exists, with --out", path.display());
    let mut out: Box<dyn Write + Send> = match out {
        Some(path) => Box::new(std::fs::File::create(path).with_context(|| cannot(path))?),
        None => Box::new(io::stdout()),
    };
    let watch = Arc::new(Watch::default());
    stop_on_interrupt(watch.clone())?;
    let bar = super::super::progress::count("reading", "events");
    let clock = (watch.clone(), bar.clone());
    // Ends with the process.
    std::thread::spawn(move || {
        let (watch, bar) = clock;
        while !bar.is_finished() {
            let reached = watch.reached.load(Ordering::Relaxed);
            if reached != 0 {
                bar.set_message(format!("{} at {speed}x,", &rfc3339(reached)[..19].replace('T', " ")));
            }
            std::thread::sleep(SHOWN);
        }
    });
    let (mut came, mut failed) = (0, None);
    let color = alerts::has_color();
    let mut say = |changes: Vec<AlertChange>| {
        came += changes.iter().filter(|change| change.change == Change::Added).count() as u64;
        let written = bar.suspend(|| {
            changes.iter().try_for_each(|change| {
                if json {
                    serde_json::to_writer(&mut out, change)?;
                    return out.write_all(b"\n");
                }
                let sign = match change.change {
                    Change::Added => '+',
                    Change::Changed => '~',
                    Change::Superseded { .. } | Change::Withdrawn => '-',
                };
                write!(out, "{sign} ")?;
                alerts::write_line(&change.alert, &mut out, color)
            })?;
            out.flush()
        });
        failed = written.err();
        failed.is_none()
    };
    let produce = |feed: &mut Feed| sources.feed(feed, replay, &range, true, &bar);
    let read = replay.paced(settings, &produce, speed, &watch, &mut say, &|_| {})?;
    bar.finish_and_clear();
    if let Some(error) = failed {
        return Err(error.into());
    }
    let read = read?;
    read.say(replay);
    let ended = if watch.stop.load(Ordering::Relaxed) { "stopped" } else { "replayed" };
    let at = match watch.reached.load(Ordering::Relaxed) {
        0 => String::new(),
        reached => format!(" at {}", &rfc3339(reached)[..19].replace('T', " ")),
    };
    eprintln!("{}, {ended}{at}; {}", counted(read.events as usize, "event"), counted(came as usize, "alert"));
    Ok(came)
}

/// The first Ctrl-C ends the replay in order, the second one at once.
fn stop_on_interrupt(watch: Arc<Watch>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut signals = {
        let _inside = runtime.enter();
        Signals::listen()?
    };
    std::thread::spawn(move || {
        runtime.block_on(async {
            signals.next().await;
            watch.stop.store(true, Ordering::Relaxed);
            signals.next().await;
            std::process::exit(130);
        });
    });
    Ok(())
}
