//! `weir demo`: generator, engine and page in one.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use super::input::{Rules, Workers};
use super::serving::{self, Collectors, Demo};
use crate::engine::live::LATENESS;

/// See it work: made-up IT and OT logs with planted attacks, through the engine, onto the live page
///
/// Plays servers under attack and a small plant (PLC, SCADA, sensors, ECU) in real time. Nothing leaves
/// this machine; the data folder is temporary unless --data names one.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  weir demo                        then open http://127.0.0.1:8080/
  weir demo --rate 5000 --listen 127.0.0.1:9000
  weir demo --data demo-data       keep it, then: weir sql --data demo-data --saved top-sources")]
pub(super) struct Arguments {
    /// Events a second
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    rate: u64,
    /// The same seed gives the same logs
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    rules: Rules,
    /// Data folder [default: a temporary one, removed at the end]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Address of the page and the API
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    #[command(flatten)]
    workers: Workers,
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let (origin, rules) = arguments.rules.live()?;
    let temporary = match arguments.data {
        Some(_) => None,
        None => Some(tempfile::Builder::new().prefix("weir-demo-").tempdir()?),
    };
    let data = arguments.data.or_else(|| temporary.as_ref().map(|t| t.path().to_owned())).unwrap_or_default();
    serving::serve(serving::Settings {
        rules,
        origin,
        data,
        store: Default::default(),
        archive: Default::default(),
        listen: arguments.listen,
        lateness: LATENESS,
        workers: arguments.workers.count(),
        cluster: None,
        ingest: crate::ingest::Settings::default(),
        collectors: Collectors {
            demo: Some(Demo { rate: arguments.rate, seed: arguments.seed }),
            ..Collectors::default()
        },
        file: None,
    })
}
