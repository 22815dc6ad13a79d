//! Statements and commands one after the other, from a prompt or from a script. In: lines. Out: answers, each over the
//! archive as it is by then.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::time::Instant;

use anyhow::bail;

use super::command::{self, Command, HELP};
use super::interrupt::Interrupts;
use super::screen::Screen;
use super::target::{Output, Target};
use crate::event::time;
use crate::query::{Argument, SavedQuery, Session, lex, tables};

/// What is needed to answer.
pub(super) struct Shell<'a> {
    pub(super) session: &'a Session,
    pub(super) saved: &'a BTreeMap<String, SavedQuery>,
    pub(super) interrupts: &'a Interrupts,
    /// Values for statements that ask for them.
    pub(super) parameters: &'a [(String, String)],
    pub(super) mode: Output,
    pub(super) timing: bool,
    /// Columns and lines of the terminal, if people type at one.
    pub(super) terminal: Option<(u16, usize)>,
    /// Where the next answer goes.
    pub(super) next: Option<Target>,
    /// A statement that is not ended.
    pub(super) pending: String,
}

/// What comes after a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Another statement.
    Statement,
    /// The rest of this one.
    Rest,
    /// Nothing.
    Leave,
}

/// What a statement is given.
enum Values<'a> {
    /// Those of these that it asks for.
    Some(&'a [(String, String)]),
    /// These.
    All(BTreeMap<String, Argument>),
}

impl Shell<'_> {
    /// Takes a line. After an error the rest of the line is not run.
    pub(super) fn line(&mut self, line: &str) -> anyhow::Result<Next> {
        if lex::is_blank(&self.pending) && command::is_command(line) {
            self.pending.clear();
            return self.command(command::read(line).map_err(anyhow::Error::msg)?);
        }
        self.pending.push_str(line);
        self.pending.push('\n');
        let text = std::mem::take(&mut self.pending);
        let (statements, rest) = lex::split(&text);
        for statement in statements {
            self.answer(statement, Values::Some(self.parameters))?;
        }
        if lex::is_blank(rest) {
            return Ok(Next::Statement);
        }
        self.pending = rest.to_owned();
        Ok(Next::Rest)
    }

    /// Runs what is left without a `;`.
    pub(super) fn end(&mut self) -> anyhow::Result<()> {
        let text = std::mem::take(&mut self.pending);
        if lex::is_blank(&text) { Ok(()) } else { self.answer(&text, Values::Some(self.parameters)) }
    }

    fn command(&mut self, command: Command) -> anyhow::Result<Next> {
        match command {
            Command::Help => self.show(HELP)?,
            Command::Tables => {
                let line = |view: &tables::View| format!("{:<14} {}\n", view.name, view.doc);
                self.show(&tables::VIEWS.iter().map(line).collect::<String>())?;
            }
            Command::Schema(view) => self.schema(view.as_deref())?,
            Command::Saved => self.show(&super::listed(self.saved))?,
            Command::Run(name, given) => {
                let query = super::saved(self.saved, &name)?;
                let values = query.arguments(&given, time::now())?;
                self.answer(&query.sql, Values::All(values))?;
            }
            Command::Mode(mode) => self.mode = mode,
            Command::Timing(on) => self.timing = on,
            Command::Output(path) => {
                self.next = path.map(|path| Target::new(None, Some(&path))).transpose()?;
            }
            Command::Quit => return Ok(Next::Leave),
        }
        Ok(Next::Statement)
    }

    /// Runs a statement and shows its rows.
    fn answer(&mut self, sql: &str, values: Values<'_>) -> anyhow::Result<()> {
        let started = Instant::now();
        self.session.refresh()?;
        let target = self.next.clone().unwrap_or(Target { output: self.mode, file: None });
        let mut screen = Screen::new(self.terminal.map_or(0, |(_, height)| height), self.interrupts);
        let run = || self.run(sql, values, &target, &mut screen);
        let (answered, pressed) = self.interrupts.during(self.session.stopper(), run);
        self.session.rest();
        let begun = screen.begun().filter(|_| target.output == Output::Table);
        let seconds = begun.unwrap_or_else(Instant::now).duration_since(started).as_secs_f64();
        screen.finish()?;
        let (count, more) = match answered {
            Err(_) if pressed => bail!("stopped"),
            // The pager was left before the end.
            Err(error) if self.terminal.is_some() && super::super::is_broken_pipe(&error) => return Ok(()),
            answered => answered?,
        };
        self.next = None;
        if self.timing {
            let place = target.file.map_or_else(String::new, |path| format!(" in {}", path.display()));
            super::report(count, more, seconds, &place);
        }
        Ok(())
    }

    fn run(&self, sql: &str, values: Values<'_>, target: &Target, screen: &mut Screen) -> anyhow::Result<(u64, bool)> {
        let mut rows = self.session.prepare(sql)?;
        let values = match values {
            Values::All(values) => values,
            Values::Some(given) => {
                let names = rows.parameters()?;
                let asked = given.iter().filter(|(name, _)| names.contains(name));
                asked.map(|(name, value)| (name.clone(), Argument::Text(value.clone()))).collect()
            }
        };
        let width = self.terminal.map(|(width, _)| width);
        if io::stdout().is_terminal() {
            return target.write(&mut rows, &values, width, screen);
        }
        let mut out = BufWriter::new(io::stdout());
        let answered = target.write(&mut rows, &values, width, &mut out);
        out.flush()?;
        answered
    }

    fn schema(&self, view: Option<&str>) -> anyhow::Result<()> {
        let known: Vec<&str> = tables::VIEWS.iter().map(|view| view.name).collect();
        if let Some(name) = view.filter(|name| !known.contains(name)) {
            bail!("there is no view `{name}`; there are {}", known.join(", "));
        }
        let mut text = String::new();
        for shown in tables::VIEWS.iter().filter(|shown| view.is_none_or(|name| name == shown.name)) {
            let columns = tables::columns(shown.name).unwrap_or_default();
            let widest = columns.iter().map(|column| column.name.len()).max().unwrap_or(0);
            text.push_str(&format!("{}: {}\n", shown.name, shown.doc));
            for column in columns {
                text.push_str(&format!("  {:<widest$}  {:<21}  {}\n", column.name, column.ty, column.doc));
            }
        }
        self.show(&text)
    }

    fn show(&self, text: &str) -> anyhow::Result<()> {
        let mut screen = Screen::new(self.terminal.map_or(0, |(_, height)| height), self.interrupts);
        let written = screen.write_all(text.as_bytes());
        screen.finish()?;
        match written {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe && self.terminal.is_some() => Ok(()),
            written => Ok(written?),
        }
    }
}
