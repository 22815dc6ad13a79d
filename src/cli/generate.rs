//! `weir generate`: writes synthetic logs with planted attacks. In: arguments. Out: files or standard output, and the truth.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context, Result, bail};

use super::input::instant;
use crate::collect::generate::{Attack, Generator, Line, Origin, Settings, Timestamps};
use crate::event::time::{self, SECOND};

/// Write synthetic IT and OT logs with attacks planted in them
///
/// Lines look like those of sshd, PAM and sudo (syslog), of nginx (access log) and of PLCs, SCADA servers, sensors and ECUs
/// (JSON). What was planted, whom to blame and when, goes to standard error or the --truth file as JSON lines, so that rules
/// can be checked against it. The same --seed and --start give the same bytes.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// How many lines [default: 10000; with --live, no end]
    #[arg(long, short = 'n', value_name = "N")]
    events: Option<u64>,
    /// Chooses everything that is left to chance
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Lines a second of the log's own time, about
    #[arg(long, value_name = "R", default_value = "50", value_parser = parse_rate)]
    rate: f64,
    /// Which logs
    #[arg(long, value_enum, default_value_t = Format::Mix)]
    format: Format,
    /// Time of the first line, RFC 3339 or a date [default: so long ago that the log ends now]
    #[arg(long, value_name = "TIME", value_parser = instant)]
    start: Option<i64>,
    /// A file, or a folder for one file a log (auth.log, access.log, ot.json, app.json); `-` is standard output
    #[arg(long, short, value_name = "FILE|DIR", default_value = "-")]
    out: PathBuf,
    /// `all`, `none`, or names with commas between: ssh_bruteforce, bruteforce_success, password_spray,
    /// new_user_login, sudo_abuse, root_login, web_scanner, sql_injection, path_traversal, server_errors,
    /// plc_takeover, sensor_drift, portal_bruteforce
    #[arg(long, value_name = "LIST", default_value = "all", value_parser = parse_attacks)]
    attacks: Attacks,
    /// How syslog lines give their time: `Jan 15 08:00:00`, or with year and zone
    #[arg(long, value_enum, default_value_t = Stamps::Classic)]
    timestamps: Stamps,
    /// Where the truth about the attacks goes, a JSON object a line [default: standard error]
    #[arg(long, value_name = "FILE")]
    truth: Option<PathBuf>,
    /// Write each line when its time has come, starting now, with an attack every 18 seconds
    #[arg(long, conflicts_with = "start")]
    live: bool,
}

const EXAMPLES: &str = "\
Examples:
  weir generate --events 100000 --out logs/      auth.log, access.log and ot.json in logs/
  weir generate --format sshd | weir scan -      sshd lines, scanned at once
  weir generate --live | weir run -              a live stream with attacks
  weir generate --attacks ssh_bruteforce,plc_takeover --seed 7 --truth truth.json --out test.log";

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Format {
    /// Syslog of sshd, PAM, sudo, cron and accounts
    Sshd,
    /// nginx access lines, combined format
    Nginx,
    /// A portal's JSON lines with nested ECS names
    Json,
    /// JSON lines of PLCs, SCADA servers, sensors and ECUs
    Ot,
    /// sshd, nginx and ot together
    Mix,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Stamps {
    /// `Jan 15 08:00:00` (RFC 3164)
    Classic,
    /// `2026-01-15T08:00:00.123456+00:00`
    Iso,
}

/// Lines without --events.
const EVENTS: u64 = 10_000;

pub(super) fn run(args: Arguments) -> Result<ExitCode> {
    let args = &args;
    let settings = settings(args);
    let mut out = Out::open(&args.out, &settings)?;
    let mut generator = Generator::new(settings);
    let mut last = None;
    for line in generator.by_ref() {
        if args.live {
            let wait = Duration::from_micros(u64::try_from(line.time - time::now()).unwrap_or(0));
            if !wait.is_zero() {
                out.flush(&args.out)?;
                std::thread::sleep(wait);
            }
        }
        match out.write(&line) {
            Ok(()) => last = Some(line.time),
            // The reader has seen enough, as `head` does.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => break,
            Err(error) => return Err(failed(error, &args.out)),
        }
    }
    out.finish(&args.out, last)?;
    let mut truth = String::new();
    for planted in generator.truth() {
        truth.push_str(&planted.to_json().to_string());
        truth.push('\n');
    }
    match &args.truth {
        Some(path) => {
            fs::write(path, truth).with_context(|| format!("cannot write the truth to `{}`", path.display()))?;
        }
        None => io::stderr().write_all(truth.as_bytes())?,
    }
    Ok(ExitCode::SUCCESS)
}

fn settings(args: &Arguments) -> Settings {
    let events = if args.live { args.events } else { Some(args.events.unwrap_or(EVENTS)) };
    let lasts = events.filter(|_| !args.live).map_or(0, |n| (n as f64 / args.rate).min(3.2e9) as i64);
    // A whole second, so that truncated and exact times of the first line agree.
    let now = time::now() / SECOND * SECOND;
    let start = args.start.unwrap_or_else(|| now - lasts.saturating_mul(SECOND));
    let usual = Settings::new(events, args.seed, start);
    let mix = match args.format {
        Format::Sshd => vec![(Origin::Auth, 1)],
        Format::Nginx => vec![(Origin::Web, 1)],
        Format::Json => vec![(Origin::App, 1)],
        Format::Ot => vec![(Origin::Ot, 1)],
        Format::Mix => usual.mix.clone(),
    };
    let timestamps = match args.timestamps {
        Stamps::Classic => Timestamps::Classic,
        Stamps::Iso => Timestamps::Iso,
    };
    Settings { rate: args.rate, mix, attacks: args.attacks.0.clone(), timestamps, demo: args.live, ..usual }
}

/// Named once, since clap takes a plain vector for an option that may come again.
#[derive(Clone, Debug)]
struct Attacks(Vec<Attack>);

fn parse_attacks(list: &str) -> Result<Attacks, String> {
    match list {
        "all" => Ok(Attacks(Attack::ALL.to_vec())),
        "none" => Ok(Attacks(Vec::new())),
        _ => list.split(',').map(|name| name.trim().parse()).collect::<Result<_, _>>().map(Attacks),
    }
}

fn parse_rate(text: &str) -> Result<f64, String> {
    match text.trim_end_matches("/s").parse() {
        Ok(rate) if (0.001..=1e7).contains(&rate) => Ok(rate),
        _ => Err("a rate is a number of lines a second, 0.001 to 10000000".to_owned()),
    }
}

/// Where lines go: one writer for all, or one a log.
struct Out {
    writers: Vec<(Origin, BufWriter<Box<dyn Write>>)>,
    files: Vec<File>,
}

impl Out {
    fn open(path: &Path, settings: &Settings) -> Result<Out> {
        let mut out = Out { writers: Vec::new(), files: Vec::new() };
        let buffered = |writer: Box<dyn Write>| BufWriter::with_capacity(1 << 20, writer);
        if path.as_os_str() == "-" {
            out.writers.push((Origin::Auth, buffered(Box::new(io::stdout()))));
            return Ok(out);
        }
        let folder = path.is_dir() || path.as_os_str().as_encoded_bytes().ends_with(b"/");
        if folder {
            fs::create_dir_all(path).with_context(|| format!("cannot make folder `{}`", path.display()))?;
        }
        for (origin, _) in &settings.mix {
            let file = if folder { path.join(origin.file()) } else { path.to_owned() };
            let opened = File::create(&file).with_context(|| {
                format!("cannot write `{}`: check that its folder exists and is yours", file.display())
            })?;
            out.files.push(opened.try_clone()?);
            out.writers.push((*origin, buffered(Box::new(opened))));
            if !folder {
                break;
            }
        }
        if out.writers.is_empty() {
            bail!("no log to write");
        }
        Ok(out)
    }

    fn write(&mut self, line: &Line) -> io::Result<()> {
        let at = self.writers.iter().position(|(origin, _)| *origin == line.source).unwrap_or(0);
        let writer = &mut self.writers[at].1;
        writer.write_all(line.text.as_bytes())?;
        writer.write_all(b"\n")
    }

    fn flush(&mut self, path: &Path) -> Result<()> {
        self.writers.iter_mut().try_for_each(|(_, writer)| writer.flush()).or_else(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => Ok(()),
            _ => Err(failed(error, path)),
        })
    }

    /// Writes what is left, and dates the files as if they had been written when their last line says: lines without a
    /// year are read by their file's time.
    fn finish(mut self, path: &Path, last: Option<i64>) -> Result<()> {
        self.flush(path)?;
        if let Some(last) = last.and_then(|last| u64::try_from(last).ok()) {
            let time = UNIX_EPOCH + Duration::from_micros(last);
            for file in &self.files {
                file.set_modified(time).with_context(|| format!("cannot set the time of `{}`", path.display()))?;
            }
        }
        Ok(())
    }
}

fn failed(error: io::Error, path: &Path) -> anyhow::Error {
    anyhow::Error::new(error).context(format!("cannot write to `{}`: check the space left on its disk", path.display()))
}
