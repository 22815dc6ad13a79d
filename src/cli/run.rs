//! `weir run`: collect, detect, archive and serve, until stopped.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use super::input::{Reading, Rules, Workers};
use super::serving::{self, Collectors};
use crate::engine::live::LATENESS;
use crate::event::time::SECOND;

/// Collect, detect, archive and serve the live page, until stopped
///
/// What is archived survives a crash: started again on the same folder, weir goes on where it was, reads
/// what files gained meanwhile, and raises no alert twice.
///
/// Rules are read again when a file of theirs changes, on SIGHUP, and on POST /api/v1/rules/reload: new and changed ones
/// are filled from the archive, the others go on. While there is an error in the folder, the rules that run go on.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  weir run --file /var/log/auth.log --file /var/log/nginx
  weir run --syslog-udp 127.0.0.1:5514 --syslog-tcp 127.0.0.1:5514 --rules rules
  journalctl -f -o short | weir run --stdin
  curl -H 'content-type: application/json' --data '{\"message\":\"hello\"}' http://127.0.0.1:8080/api/v1/events

The page is at http://127.0.0.1:8080/ . Stop with Ctrl-C.")]
pub(super) struct Arguments {
    /// File or folder to follow (repeatable)
    #[arg(long, value_name = "PATH")]
    file: Vec<PathBuf>,
    /// Read standard input
    #[arg(long)]
    stdin: bool,
    /// Take syslog messages over UDP at this address
    #[arg(long, value_name = "ADDR")]
    syslog_udp: Option<SocketAddr>,
    /// Take syslog messages over TCP at this address
    #[arg(long, value_name = "ADDR")]
    syslog_tcp: Option<SocketAddr>,
    #[command(flatten)]
    rules: Rules,
    #[command(flatten)]
    reading: Reading,
    /// Data folder: archive, alerts, state
    #[arg(long, value_name = "DIR", default_value = "weir-data", env = "WEIR_DATA")]
    data: PathBuf,
    /// Address of the page and the API; loopback only, until there is a sign-in
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// How late an event may come and still correct the alerts, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = LATENESS / SECOND, value_parser = clap::value_parser!(i64).range(0..=31_536_000))]
    lateness: i64,
    #[command(flatten)]
    workers: Workers,
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let (origin, rules) = arguments.rules.live()?;
    serving::serve(serving::Settings {
        rules,
        origin,
        data: arguments.data,
        listen: arguments.listen,
        lateness: arguments.lateness * SECOND,
        workers: arguments.workers.count(),
        ingest: arguments.reading.settings()?,
        collectors: Collectors {
            files: arguments.file,
            stdin: arguments.stdin,
            syslog_udp: arguments.syslog_udp,
            syslog_tcp: arguments.syslog_tcp,
            format: arguments.reading.format,
            demo: None,
        },
    })
}
