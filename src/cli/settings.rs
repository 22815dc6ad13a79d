//! The settings file of `weir run`: TOML with its options under their names, read again while it runs.
//!
//! What stands on the command line or in the environment counts; of what does not, the file says how it is.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use toml::{Spanned, Value};

use super::run::Arguments;
use crate::archive::Retention;
use crate::event::nearest::nearest;

/// Settings that count as soon as they change; all others do at the next start.
const AT_ONCE: [&str; 2] = ["file", "keep"];
/// The option that names the file.
const OPTION: &str = "settings";

/// Values by name of the option.
type Options = BTreeMap<String, Vec<String>>;
/// When a file was written, and how long it was; `None` when there is none.
type Stamp = Option<(SystemTime, u64)>;

/// A settings file that is in use.
pub(super) struct SettingsFile {
    path: PathBuf,
    /// Arguments from elsewhere by name of the option, which count more.
    given: BTreeMap<String, Vec<OsString>>,
    /// What it said at the start.
    first: Options,
    state: Mutex<State>,
}

struct State {
    options: Options,
    /// Of what was read, and when it was last looked at.
    read: Stamp,
    seen: Stamp,
}

/// Settings that were read again.
pub(super) struct Reread {
    /// Names of those that are others and count now.
    pub(super) changed: Vec<String>,
    /// Names of those that are others since the last time, and count at the next start.
    pub(super) later: Vec<String>,
    pub(super) keep: Retention,
    pub(super) files: Vec<PathBuf>,
}

impl SettingsFile {
    /// Reads a file for a command line; what the two make together comes along. All that is wrong with it is an error.
    pub(super) fn open(path: PathBuf, matches: &ArgMatches) -> Result<(SettingsFile, Arguments), Vec<String>> {
        let given = given(matches);
        let (stamp, options) = (stamp(&path), read(&path)?);
        let arguments = arguments(&path, &options, &given)?;
        let state = Mutex::new(State { options: options.clone(), read: stamp, seen: stamp });
        Ok((SettingsFile { path, given, first: options, state }, arguments))
    }

    /// The file, as it was named.
    pub(super) fn name(&self) -> std::path::Display<'_> {
        self.path.display()
    }

    /// Whether the file was changed since it was read, and is no longer being written: to be asked every second or so.
    pub(super) fn is_stale(&self) -> bool {
        let mut state = self.state();
        let stamp = stamp(&self.path);
        let still = stamp == state.seen;
        state.seen = stamp;
        still && state.seen != state.read
    }

    /// Reads the file again. All that is wrong with it is an error, and is not looked at again until the file changes.
    pub(super) fn read_again(&self) -> Result<Reread, Vec<String>> {
        let mut state = self.state();
        state.read = stamp(&self.path);
        let options = read(&self.path)?;
        let Arguments { keep, file: files, .. } = arguments(&self.path, &options, &self.given)?;
        let keep = Retention::new(keep.iter().map(String::as_str)).map_err(|wrong| vec![wrong])?;
        let names: BTreeSet<String> = state.options.keys().chain(options.keys()).cloned().collect();
        let counts = |name: &String| !self.given.contains_key(name) && state.options.get(name) != options.get(name);
        let at_once = |name: &String| AT_ONCE.contains(&name.as_str());
        let (changed, mut later): (Vec<_>, Vec<_>) = names.into_iter().filter(counts).partition(at_once);
        later.retain(|name| self.first.get(name) != options.get(name));
        state.options = options;
        Ok(Reread { changed, later, keep, files })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn stamp(path: &Path) -> Stamp {
    let meta = std::fs::metadata(path).ok()?;
    Some((meta.modified().unwrap_or(SystemTime::UNIX_EPOCH), meta.len()))
}

fn command() -> Command {
    Arguments::augment_args(Command::new("weir run").no_binary_name(true))
}

/// The options that are on the command line or in the environment, as arguments.
fn given(matches: &ArgMatches) -> BTreeMap<String, Vec<OsString>> {
    let mut given = BTreeMap::new();
    for arg in command().get_arguments() {
        let id = arg.get_id().as_str();
        let Some(name) = arg.get_long().filter(|name| *name != OPTION) else { continue };
        let source = matches.value_source(id);
        if matches!(source, Some(ValueSource::CommandLine | ValueSource::EnvVariable)) {
            let argument = |value: &std::ffi::OsStr| {
                let mut text = OsString::from(format!("--{name}"));
                if !is_flag(arg) {
                    text.push("=");
                    text.push(value);
                }
                text
            };
            let values = matches.get_raw(id).into_iter().flatten();
            given.insert(name.to_owned(), values.map(argument).collect());
        }
    }
    given
}

fn is_flag(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::SetTrue)
}

/// What options and arguments from elsewhere make together.
fn arguments(
    path: &Path,
    options: &Options,
    given: &BTreeMap<String, Vec<OsString>>,
) -> Result<Arguments, Vec<String>> {
    let command = command();
    let flag = |name: &str| command.get_arguments().any(|arg| arg.get_long() == Some(name) && is_flag(arg));
    let ours = options.iter().filter(|(name, _)| !given.contains_key(*name)).flat_map(|(name, values)| {
        let argument = move |value: &String| if flag(name) { format!("--{name}") } else { format!("--{name}={value}") };
        values.iter().map(argument).map(OsString::from)
    });
    let all: Vec<OsString> = ours.chain(given.values().flatten().cloned()).collect();
    let parsed = command.clone().try_get_matches_from(all).and_then(|matches| Arguments::from_arg_matches(&matches));
    parsed.map_err(|error| vec![format!("{}: {}", path.display(), said(&error))])
}

/// What an error of the command line says, without the advice behind it.
fn said(error: &clap::Error) -> String {
    let text = error.to_string();
    let first = text.split("\n\n").next().unwrap_or_default();
    first.trim_start_matches("error: ").split_whitespace().collect::<Vec<_>>().join(" ")
}

fn read(path: &Path) -> Result<Options, Vec<String>> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| vec![format!("cannot read the settings file {}: {error}", path.display())])?;
    parse(&path.display().to_string(), &text)
}

/// The options of a file, or all that is wrong with them, each with its line.
fn parse(name: &str, text: &str) -> Result<Options, Vec<String>> {
    let at = |offset: usize| format!("{name}:{}", 1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count());
    let table: BTreeMap<String, Spanned<Value>> = toml::from_str(text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        vec![format!("{}: {}", at(start), error.message().split_whitespace().collect::<Vec<_>>().join(" "))]
    })?;
    let command = command();
    let known = || command.get_arguments().filter(|arg| arg.get_long().is_some_and(|name| name != OPTION));
    let (mut options, mut wrong) = (Options::new(), Vec::new());
    for (key, value) in table {
        let place = at(value.span().start);
        let Some(arg) = known().find(|arg| arg.get_long() == Some(&key)) else {
            let like = nearest(&key, known().filter_map(Arg::get_long));
            let hint = like
                .map_or_else(|| "weir run --help has them all".to_owned(), |like| format!("did you mean `{like}`?"));
            wrong.push(format!("{place}: `{key}` is no setting: {hint}"));
            continue;
        };
        let values = match texts(arg, value.as_ref()) {
            Ok(values) => values,
            Err(wanted) => {
                wrong.push(format!("{place}: `{key}` is to be {wanted}"));
                continue;
            }
        };
        for value in values.iter().filter(|_| !is_flag(arg)) {
            if let Err(error) = command.clone().try_get_matches_from([format!("--{key}={value}")])
                && matches!(error.kind(), ErrorKind::ValueValidation | ErrorKind::InvalidValue)
            {
                wrong.push(format!("{place}: {}", said(&error)));
            }
        }
        options.insert(key, values);
    }
    if wrong.is_empty() { Ok(options) } else { Err(wrong) }
}

/// The values of an option as they would be written on the command line, or what is wanted instead.
fn texts(arg: &Arg, value: &Value) -> Result<Vec<String>, &'static str> {
    match (arg.get_action(), value) {
        (ArgAction::SetTrue, Value::Boolean(set)) => Ok(if *set { vec!["true".to_owned()] } else { Vec::new() }),
        (ArgAction::SetTrue, _) => Err("true or false"),
        (ArgAction::Append, Value::Array(values)) => {
            values.iter().map(|value| text(value).ok_or("a list of texts or numbers")).collect()
        }
        (_, value) => Ok(vec![text(value).ok_or("a text or a number")?]),
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Boolean(_) | Value::Datetime(_) | Value::Array(_) | Value::Table(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn open(path: &Path, line: &[&str]) -> Result<(SettingsFile, Arguments), Vec<String>> {
        let all = ["weir", "run", "--settings", "x"].iter().chain(line);
        let matches = super::super::Arguments::command().try_get_matches_from(all).unwrap();
        SettingsFile::open(path.to_owned(), matches.subcommand_matches("run").unwrap())
    }

    #[test]
    fn all_that_is_wrong_is_said_with_its_line() {
        let wrong = |text: &str| parse("weir.toml", text).unwrap_err();
        let found = wrong(
            "keep = [\"90d\", \"soon\"]\nkep = 1\nlateness = \"late\"\nstdin = 1\nfile = [[1]]\nworkers = [1]\nsettings = \"x\"\n",
        );
        let expected = [
            "weir.toml:5: `file` is to be a list of texts or numbers",
            "weir.toml:1: invalid value 'soon' for '--keep <LIMIT>': `soon` is no age or size: write 90d, 12h, 50GB or 500MiB",
            "weir.toml:2: `kep` is no setting: did you mean `keep`?",
            "weir.toml:3: invalid value 'late' for '--lateness <SECONDS>': invalid digit found in string",
            "weir.toml:7: `settings` is no setting: weir run --help has them all",
            "weir.toml:4: `stdin` is to be true or false",
            "weir.toml:6: `workers` is to be a text or a number",
        ];
        assert_eq!(found, expected);
        assert_eq!(wrong("keep = [\n"), ["weir.toml:1: unclosed array, expected `]`"]);
        assert!(wrong("workers = 0")[0].contains("0 is not in 1..=256"));
    }

    #[test]
    fn the_example_is_right() {
        let text = include_str!("../../examples/weir.toml");
        assert_eq!(parse("weir.toml", text).map(|options| options.len()), Ok(9));
        let at_once: Vec<&str> = text.lines().skip_while(|l| !l.contains("as soon as")).take(3).skip(1).collect();
        assert!(
            AT_ONCE.iter().zip(at_once).all(|(name, line)| line.starts_with(name)),
            "the file says which count at once"
        );
    }

    #[test]
    fn the_command_line_counts_more_than_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("weir.toml");
        std::fs::write(
            &path,
            "data = \"a\"\nlateness = 5\nfile = [\"x\", \"y\"]\nstdin = true\nlisten = \"127.0.0.1:1\"\n",
        )
        .unwrap();
        let (file, arguments) = open(&path, &["--data", "b", "--file", "z"]).unwrap();
        let of = |a: &Arguments| (a.data.clone(), a.lateness, a.file.clone(), a.stdin, a.listen.port());
        assert_eq!(of(&arguments), ("b".into(), 5, vec!["z".into()], true, 1));
        std::fs::write(&path, "data = \"c\"\nfile = [\"w\"]\n").unwrap();
        let new = file.read_again().unwrap();
        assert_eq!((new.files, new.changed.len()), (vec!["z".into()], 0), "given elsewhere");
        assert_eq!(new.later, ["lateness", "listen", "stdin"]);
    }

    #[test]
    fn what_changes_is_told_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("weir.toml");
        let write = |text: &str| std::fs::write(&path, text).unwrap();
        assert!(open(&path, &[]).err().unwrap()[0].starts_with("cannot read the settings file"));
        write("keep = [\"90d\"]\nworkers = 2\n");
        let (file, arguments) = open(&path, &[]).unwrap();
        assert_eq!((arguments.keep, arguments.data), (vec!["90d".to_owned()], "weir-data".into()));
        assert!(!file.is_stale() && !file.is_stale());
        write("keep = [\"30d\", \"nginx.access=7d\"]\nworkers = 1\n");
        assert!(!file.is_stale() && file.is_stale(), "once it is the same twice");
        let new = file.read_again().unwrap();
        assert_eq!((new.changed, new.later), (vec!["keep".to_owned()], vec!["workers".to_owned()]));
        assert_eq!(new.keep, Retention::new(["30d", "nginx.access=7d"]).unwrap());
        write("kep = 1");
        assert!(file.read_again().is_err() && !file.is_stale(), "it is not read again until it changes");
        write("keep = \"30d\"\nworkers = 2\nfile = []\n");
        let new = file.read_again().unwrap();
        assert_eq!((new.changed, new.later), (vec!["file".to_owned(), "keep".to_owned()], vec![]));
    }
}
