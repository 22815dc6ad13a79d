//! Commands of the prompt: lines that begin with a dot. In: a line. Out: what to do, or what is wrong with it.

use std::path::PathBuf;

use super::target::Output;

/// What `.help` says.
pub(super) const HELP: &str = "\
Statements end with `;` and may take several lines. Tab completes, Ctrl-R looks into the history, Ctrl-C stops a statement.

.help                     this
.tables                   the views
.schema [VIEW]            their columns, with what each is
.saved                    the saved queries and what they take
.run NAME [KEY=VALUE …]   run a saved query
.mode table|csv|json      how answers are shown
.timing on|off            rows and seconds after each answer
.output FILE              write the next answer to FILE: .csv .json .parquet .arrow .txt; without FILE, not any more
.quit                     leave, as Ctrl-D does
";

/// All commands, for completion.
pub(super) const NAMES: [&str; 9] =
    [".help", ".tables", ".schema", ".saved", ".run", ".mode", ".timing", ".output", ".quit"];

/// What a line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    Help,
    Tables,
    Schema(Option<String>),
    Saved,
    Run(String, Vec<(String, String)>),
    Mode(Output),
    Timing(bool),
    Output(Option<PathBuf>),
    Quit,
}

/// Whether a line is a command; words that other programs take are, too.
pub(super) fn is_command(line: &str) -> bool {
    let line = line.trim();
    line.starts_with('.') || line.starts_with('\\') || ["exit", "quit", "help"].contains(&line.trim_end_matches(';'))
}

/// Reads a command.
pub(super) fn read(line: &str) -> Result<Command, String> {
    let words = words(line)?;
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    Ok(match words[..] {
        [".help" | "help" | "help;" | "\\?" | "\\h"] => Command::Help,
        [".tables" | "\\d" | "\\dt" | "\\dv"] => Command::Tables,
        [".schema"] => Command::Schema(None),
        [".schema" | "\\d", view] => Command::Schema(Some(view.trim_end_matches(';').to_owned())),
        [".saved"] => Command::Saved,
        [".run", name, ref pairs @ ..] => {
            let pair =
                |pair: &&str| super::pair(pair).map_err(|_| format!("`{pair}`: write KEY=VALUE, as in since=24h"));
            Command::Run(name.to_owned(), pairs.iter().map(pair).collect::<Result<_, _>>()?)
        }
        [".mode", mode] => Command::Mode(match mode {
            "table" => Output::Table,
            "csv" => Output::Csv,
            "json" => Output::Json,
            "parquet" | "arrow" => {
                return Err(format!("a terminal cannot show {mode}: .output FILE.{mode} writes a file"));
            }
            _ => return Err(format!("`{mode}` is no mode: use table, csv or json")),
        }),
        [".timing" | "\\timing", on @ ("on" | "off")] => Command::Timing(on == "on"),
        [".output" | "\\o"] => Command::Output(None),
        [".output" | "\\o", path] => Command::Output(Some(path.into())),
        [".quit" | ".exit" | "quit" | "exit" | "quit;" | "exit;" | "\\q"] => Command::Quit,
        [".run"] => return Err("write .run NAME; .saved lists the names".to_owned()),
        [".mode", ..] => return Err("write .mode table, .mode csv or .mode json".to_owned()),
        [".timing", ..] => return Err("write .timing on or .timing off".to_owned()),
        [name @ (".help" | ".tables" | ".schema" | ".saved" | ".output" | ".quit" | ".exit"), ..] => {
            return Err(format!("{name} takes less than that; .help says what"));
        }
        [name, ..] => return Err(format!("there is no command {name}; .help lists them")),
        [] => return Err("a command is missing; .help lists them".to_owned()),
    })
}

/// Words apart, as a shell does: quotes hold together.
fn words(line: &str) -> Result<Vec<String>, String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in line.chars() {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => word.get_or_insert_default().push(c),
            None if c == '\'' || c == '"' => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            None if c.is_whitespace() => words.extend(word.take()),
            None => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    quote.map_or(Ok(words), |open| Err(format!("a {open} is not closed")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        for (line, command) in [
            (".help", Command::Help),
            (" .schema events ", Command::Schema(Some("events".into()))),
            ("\\d alerts;", Command::Schema(Some("alerts".into()))),
            (".run top since=24h 'q=a b'", Command::Run("top".into(), vec![pair("since", "24h"), pair("q", "a b")])),
            (".run x p=\"it's\"", Command::Run("x".into(), vec![pair("p", "it's")])),
            (".mode json", Command::Mode(Output::Json)),
            (".timing off", Command::Timing(false)),
            (".output 'my file.csv'", Command::Output(Some("my file.csv".into()))),
            (".output", Command::Output(None)),
            ("quit;", Command::Quit),
            ("\\q", Command::Quit),
        ] {
            assert!(is_command(line));
            assert_eq!(read(line), Ok(command), "{line}");
        }
        assert!(NAMES.iter().all(|name| HELP.contains(name) && !read(name).is_err_and(|e| e.contains("no command"))));
    }

    #[test]
    fn mistakes_say_what_to_write() {
        for (line, told) in [
            (".tabels", "there is no command .tabels; .help lists them"),
            (".mode xml", "`xml` is no mode: use table, csv or json"),
            (".mode parquet", "a terminal cannot show parquet: .output FILE.parquet writes a file"),
            (".run", "write .run NAME; .saved lists the names"),
            (".run a b", "`b`: write KEY=VALUE, as in since=24h"),
            (".timing maybe", "write .timing on or .timing off"),
            (".quit now", ".quit takes less than that; .help says what"),
            (".output 'x", "a ' is not closed"),
        ] {
            assert_eq!(read(line), Err(told.to_owned()), "{line}");
        }
    }
}
