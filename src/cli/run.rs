//! `weir run`: collect, detect, archive and serve, until stopped.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::ArgMatches;

use super::input::{Reading, Rules, Workers};
use super::serving::{self, Collectors};
use super::settings::SettingsFile;
use super::store::Writing;
use crate::archive::{self, Retention};
use crate::engine::live::{Cluster, LATENESS};
use crate::event::time::SECOND;

/// Collect, detect, archive and serve the live page, until stopped
///
/// What is archived survives a crash: started again on the same folder, weir goes on where it was, reads
/// what files gained meanwhile, and raises no alert twice.
///
/// A receipt over HTTP means that all of the request is on disk; 503 with Retry-After (a full disk, or too much at once), like no
/// answer, that it is to be sent again. A line with an event.id that comes again as it was, or a request with an Idempotency-Key, is
/// then taken once: the last 900,000 ids are remembered, over restarts.
///
/// Rules are read again when a file of theirs changes, on SIGHUP, and on POST /api/v1/rules/reload: new and changed ones
/// are filled from the archive, the others go on. While there is an error in the folder, the rules that run go on.
/// So is the settings file: of its settings `file` and `keep` count at once, the others when weir is started again.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  weir run --file /var/log/auth.log --file /var/log/nginx
  weir run --syslog-udp 127.0.0.1:5514 --syslog-tcp 127.0.0.1:5514 --rules rules
  journalctl -f -o short | weir run --stdin
  weir run --settings /etc/weir.toml
  weir run --syslog-tcp 0.0.0.0:5514 --store s3://logs/site-a --cache 50GB
  curl -H 'content-type: application/json' --data '{\"message\":\"hello\"}' http://127.0.0.1:8080/api/v1/events

Several processes that raise alerts as one, each with its own sources and its own archive:
  printf '10.0.0.1:2101\\n10.0.0.2:2101\\n' > hosts
  weir run --process 0 --hosts hosts --file /var/log      on 10.0.0.1, which shows and keeps the alerts
  weir run --process 1 --hosts hosts --file /var/log      on 10.0.0.2

The page is at http://127.0.0.1:8080/ . Stop with Ctrl-C.")]
pub(super) struct Arguments {
    /// TOML file with these options under their names: keep = ["90d"], file = ["/var/log"]
    ///
    /// An option that is also on the command line, or in the environment, is as it is there. Paths are as seen from where weir is
    /// started.
    #[arg(long, value_name = "FILE", env = "WEIR_SETTINGS")]
    settings: Option<PathBuf>,
    /// File or folder to follow (repeatable)
    #[arg(long, value_name = "PATH")]
    pub(super) file: Vec<PathBuf>,
    /// Read standard input
    #[arg(long)]
    pub(super) stdin: bool,
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
    pub(super) data: PathBuf,
    /// How long or how much is kept: 90d, 50GB; of one dataset nginx.access=30d (repeatable) [default: everything]
    ///
    /// An age counts from when an event happened. What a hold covers (weir archive hold), and what the windows of the rules
    /// still reach, is kept.
    #[arg(long, value_name = "LIMIT", value_parser = limit)]
    pub(super) keep: Vec<String>,
    #[command(flatten)]
    store: Writing,
    /// Address of the page and the API; loopback only, until there is a sign-in
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub(super) listen: SocketAddr,
    /// How late an event may come and still correct the alerts, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = LATENESS / SECOND, value_parser = clap::value_parser!(i64).range(0..=31_536_000))]
    pub(super) lateness: i64,
    #[command(flatten)]
    workers: Workers,
    /// Which of the processes in the hosts file this one is, from 0
    ///
    /// Process 0 keeps and shows the alerts of all. All run the same rules with the same number of workers, stop together, and
    /// each goes on with its own data folder when all are started again.
    #[arg(long, value_name = "I", requires = "hosts")]
    process: Option<usize>,
    /// File with the address of each process, one host:port a line, process 0 first
    ///
    /// The processes talk at these addresses, in the clear and to whoever asks: use a network of their own.
    #[arg(long, value_name = "FILE", requires = "process")]
    hosts: Option<PathBuf>,
}

/// Runs what a command line says, and the settings file that it names.
pub(super) fn run(arguments: Arguments, line: Option<&ArgMatches>) -> anyhow::Result<ExitCode> {
    let (file, arguments) = match (&arguments.settings, line) {
        (Some(path), Some(line)) => {
            let opened = SettingsFile::open(path.clone(), line);
            let (file, arguments) = opened.map_err(|wrong| anyhow::anyhow!(wrong.join("\n")))?;
            (Some(file), arguments)
        }
        (Some(_), None) | (None, _) => (None, arguments),
    };
    let retention = Retention::new(arguments.keep.iter().map(String::as_str)).map_err(anyhow::Error::msg)?;
    let (origin, rules) = arguments.rules.live()?;
    let cluster = match (arguments.process, &arguments.hosts) {
        // One process is alone, whatever its address.
        (Some(process), Some(hosts)) => Some(Cluster::read(hosts, process)?).filter(|c| c.processes() > 1),
        (Some(_), None) | (None, Some(_)) | (None, None) => None,
    };
    serving::serve(serving::Settings {
        rules,
        origin,
        data: arguments.data,
        store: arguments.store,
        archive: archive::Settings { retention: retention.into(), ..Default::default() },
        listen: arguments.listen,
        lateness: arguments.lateness * SECOND,
        workers: arguments.workers.count(),
        cluster,
        ingest: arguments.reading.settings()?,
        collectors: Collectors {
            files: arguments.file,
            stdin: arguments.stdin,
            syslog_udp: arguments.syslog_udp,
            syslog_tcp: arguments.syslog_tcp,
            format: arguments.reading.format,
            demo: None,
        },
        file,
    })
}

fn limit(text: &str) -> Result<String, String> {
    Retention::new([text]).map(|_| text.to_owned())
}
