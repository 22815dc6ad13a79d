//! What several subcommands ask alike: which rules, how to read lines.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;

use crate::archive::ListHistory;
use crate::engine::rules::{self, Origin};
use crate::event::time::{parse_rfc3339, rfc3339};
use crate::ingest;
use crate::rule::{self, Diagnostic, SourceFile, plan::Program};
use crate::why::Spans;

/// Reads an option's instant, µs: RFC 3339, or a day, which is its first moment in UTC.
pub(super) fn instant(text: &str) -> Result<i64, String> {
    let day = || (text.len() == "2026-01-15".len()).then(|| parse_rfc3339(&format!("{text}T00:00:00Z"))).flatten();
    let wanted = "write a time like 2026-01-15T10:30:45Z, or a day like 2026-01-15, which begins at 00:00 UTC";
    parse_rfc3339(text).or_else(day).ok_or_else(|| wanted.to_owned())
}

/// The times that `--from` and `--to` name, µs. An error when there is none between them.
pub(super) fn range(from: Option<i64>, to: Option<i64>) -> anyhow::Result<RangeInclusive<i64>> {
    let range = from.unwrap_or(i64::MIN)..=to.map_or(i64::MAX, |to| to - 1);
    if let (Some(from), Some(to), true) = (from, to, range.is_empty()) {
        let (from, to) = (rfc3339(from), rfc3339(to));
        anyhow::bail!(
            "nothing is from {from} on and before {to}: --from is the first time, --to the one behind the last"
        );
    }
    Ok(range)
}

/// Whether what is written there may be coloured: a terminal reads it, and nobody set NO_COLOR.
pub(super) fn color(stream: &impl std::io::IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Shows mistakes in rules on standard error.
pub(super) fn show(found: &[Diagnostic], files: &[SourceFile]) {
    eprint!("{}", rule::render(found, files, color(&std::io::stderr())));
}

/// Which rules.
#[derive(clap::Args, Clone)]
pub(super) struct Rules {
    /// Folder of rule files (*.weir); without it, the built-in pack
    #[arg(long, value_name = "DIR", env = "WEIR_RULES")]
    pub(super) rules: Option<PathBuf>,
}

/// The rules that compile, and whether some did not.
pub(super) struct Loaded {
    pub(super) program: Arc<Program>,
    pub(super) broken: bool,
}

impl Rules {
    /// The same where the folder or file may also stand by itself, which is not to be another one.
    pub(super) fn or(self, path: Option<PathBuf>) -> anyhow::Result<Rules> {
        match (path, self.rules) {
            (Some(path), Some(rules))
                if path != rules && std::env::var_os("WEIR_RULES").as_deref() != Some(rules.as_os_str()) =>
            {
                anyhow::bail!(
                    "rules are named twice, {} and --rules {}: name them once",
                    path.display(),
                    rules.display()
                )
            }
            (path, rules) => Ok(Rules { rules: path.or(rules) }),
        }
    }

    /// Compiles the rules. Mistakes are shown on standard error; the rules without any go on.
    pub(super) fn load(&self) -> anyhow::Result<Loaded> {
        let compiled = self.compile()?;
        show(&compiled.diagnostics, &compiled.sources);
        let broken = compiled.has_errors();
        if broken {
            eprintln!("weir: rules with errors are left out; {} go on", compiled.program.rules.len());
        }
        Ok(Loaded { program: Arc::new(compiled.program), broken })
    }

    /// Compiles the rules of a running engine, as [`Rules::load`] does.
    pub(super) fn live(&self) -> anyhow::Result<(Origin, rules::Rules)> {
        let origin = Origin::from(self.rules.as_deref());
        let loaded = origin.load()?;
        show(&loaded.diagnostics, &loaded.files);
        Ok((origin, loaded))
    }

    /// Compiles the rules as they are, and as they were over the lists of each span of events in a data folder; none of
    /// these where lists always were what they are.
    pub(super) fn over_time(&self, data: &Path) -> anyhow::Result<(rules::Rules, Spans)> {
        let (_, rules) = self.live()?;
        let spans = ListHistory::read(data)?.spans(&rules.lists, u64::MAX);
        if spans.iter().all(|(_, lists)| *lists == rules.lists) {
            return Ok((rules, Vec::new()));
        }
        let compiled = |(span, lists)| (span, rules.with_lists(&lists).program);
        let then = spans.into_iter().map(compiled).collect();
        Ok((rules, then))
    }

    /// Compiles the rules and says nothing.
    pub(super) fn compile(&self) -> anyhow::Result<rule::Compiled> {
        match &self.rules {
            Some(folder) => Ok(rule::load(folder)?),
            None => Ok(rule::pack()),
        }
    }
}

/// How lines are read.
#[derive(clap::Args, Clone)]
pub(super) struct Reading {
    /// Format of the lines; without it, each source's is found by its content
    #[arg(long, value_name = "FORMAT", value_parser = format)]
    pub(super) format: Option<String>,
    /// Time zone of times that name none, e.g. Europe/Oslo [default: the machine's]
    #[arg(long, value_name = "ZONE")]
    timezone: Option<String>,
}

impl Reading {
    /// Settings of the parsers.
    pub(super) fn settings(&self) -> anyhow::Result<ingest::Settings> {
        let mut settings = ingest::Settings::default();
        if let Some(zone) = &self.timezone {
            settings.zone = self::zone(zone)?;
        }
        Ok(settings)
    }
}

/// The time zone of this name.
pub(super) fn zone(name: &str) -> anyhow::Result<jiff::tz::TimeZone> {
    jiff::tz::TimeZone::get(name).with_context(|| format!("no time zone `{name}`: use a name like Europe/Oslo or UTC"))
}

fn format(name: &str) -> Result<String, String> {
    let known = crate::parse::formats();
    if known.contains(&name) {
        return Ok(name.to_owned());
    }
    Err(format!("known formats are {}", known.join(", ")))
}

/// How many dataflow workers.
#[derive(clap::Args, Clone, Copy)]
pub(super) struct Workers {
    /// Threads that correlate; any number gives the same alerts
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=256))]
    workers: u64,
}

impl Workers {
    pub(super) fn count(self) -> usize {
        self.workers as usize
    }
}
