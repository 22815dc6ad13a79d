//! Diagnostics: what is wrong with a rule file, where, and what would likely mend it. In: what the
//! compiler found. Out: text for a terminal, or serde values for editors and the dashboard.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use ariadne::{Color, Config, IndexType, Label, Report, ReportKind, Source};
use serde::Serialize;

use super::SourceFile;
use super::ast::Span;
use super::code::Code;
use crate::event::printable::printable_but;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// The rule cannot run.
    Error,
    /// It runs, but likely not as meant.
    Warning,
}

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The file's name.
    #[serde(serialize_with = "name")]
    pub file: Arc<str>,
    /// First byte.
    pub start: usize,
    /// Byte after the last.
    pub end: usize,
    /// Line of the first byte, from 1.
    pub line: usize,
    /// Character of the first byte in its line, from 1.
    pub column: usize,
    /// Line of the end.
    pub end_line: usize,
    /// Column of the end.
    pub end_column: usize,
    /// What is to be said about it.
    pub label: String,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// Error or warning.
    pub level: Level,
    /// `W0101`
    #[serde(serialize_with = "number")]
    pub code: Code,
    /// One sentence, lower case, with the value.
    pub message: String,
    /// Where.
    pub place: Place,
    /// Other places that matter, e.g. the first of two rules of one name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<Place>,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// The text that would mend it if put in the place of the span.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

fn name<S: serde::Serializer>(name: &Arc<str>, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(name)
}

fn number<S: serde::Serializer>(code: &Code, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(code.number())
}

impl Diagnostic {
    /// Whether a rule is left out because of it.
    pub fn is_error(&self) -> bool {
        self.level == Level::Error
    }

    /// An error at a span. Lines and columns are filled in by [`locate`].
    pub(crate) fn error(code: Code, file: &Arc<str>, span: Span, message: impl Into<String>) -> Diagnostic {
        let place = Place::new(file, span, "");
        let message = message.into();
        Diagnostic { level: Level::Error, code, message, place, related: Vec::new(), help: None, fix: None }
    }

    /// The same as a warning.
    pub(crate) fn warning(self) -> Diagnostic {
        Diagnostic { level: Level::Warning, ..self }
    }

    /// With the text beside the underlining.
    pub(crate) fn label(mut self, label: impl Into<String>) -> Diagnostic {
        self.place.label = label.into();
        self
    }

    /// With advice.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Diagnostic {
        self.help = Some(help.into());
        self
    }

    /// With advice, if there is any.
    pub(crate) fn maybe_help(mut self, help: Option<String>) -> Diagnostic {
        self.help = help.or(self.help);
        self
    }

    /// With a replacement for the span, which also becomes the label.
    pub(crate) fn fix(mut self, text: impl Into<String>) -> Diagnostic {
        let text = text.into();
        self.place.label = format!("did you mean `{text}`?");
        self.fix = Some(text);
        self
    }

    /// With another place.
    pub(crate) fn related(mut self, file: &Arc<str>, span: Span, label: impl Into<String>) -> Diagnostic {
        self.related.push(Place::new(file, span, label));
        self
    }
}

impl Place {
    fn new(file: &Arc<str>, span: Span, label: impl Into<String>) -> Place {
        Place {
            file: file.clone(),
            start: span.start,
            end: span.end.max(span.start),
            line: 0,
            column: 0,
            end_line: 0,
            end_column: 0,
            label: label.into(),
        }
    }
}

/// Fills in lines and columns, and sorts by file and place.
pub(super) fn locate(diagnostics: &mut [Diagnostic], files: &[SourceFile]) {
    let texts: HashMap<&str, &str> = files.iter().map(|f| (&*f.name, f.text.as_str())).collect();
    for diagnostic in diagnostics.iter_mut() {
        tame(&mut diagnostic.message);
        diagnostic.help.as_mut().into_iter().for_each(tame);
        for place in std::iter::once(&mut diagnostic.place).chain(&mut diagnostic.related) {
            tame(&mut place.label);
            let text = texts.get(&*place.file).copied().unwrap_or_default();
            (place.line, place.column) = line_column(text, place.start);
            (place.end_line, place.end_column) = line_column(text, place.end);
        }
    }
    diagnostics.sort_by(|a, b| (&a.place.file, a.place.start, a.code).cmp(&(&b.place.file, b.place.start, b.code)));
}

/// Words of the file stand in what is said of it.
fn tame(text: &mut String) {
    if let Cow::Owned(tamed) = printable_but(text, &['\n']) {
        *text = tamed;
    }
}

/// A file's text in which nothing commands a terminal, and everything stands where it stood.
fn harmless(text: &str) -> Cow<'_, str> {
    let obeyed = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
    if !text.contains(obeyed) {
        return text.into();
    }
    let same_length = |c: char| if c.len_utf8() == 1 { '?' } else { '¿' };
    text.chars().map(|c| if obeyed(c) { same_length(c) } else { c }).collect()
}

fn line_column(text: &str, offset: usize) -> (usize, usize) {
    let before = &text.as_bytes()[..offset.min(text.len())];
    let line_start = memchr::memrchr(b'\n', before).map_or(0, |i| i + 1);
    let column = String::from_utf8_lossy(&before[line_start..]).chars().count() + 1;
    (memchr::memchr_iter(b'\n', before).count() + 1, column)
}

/// All diagnostics as text with the source underlined.
pub fn render(diagnostics: &[Diagnostic], files: &[SourceFile], color: bool) -> String {
    let mut cache: HashMap<Arc<str>, Source<Cow<'_, str>>> =
        files.iter().map(|f| (f.name.clone(), Source::from(harmless(&f.text)))).collect();
    let mut out = Vec::new();
    for diagnostic in diagnostics {
        let written = report(diagnostic, color).write(Sources(&mut cache), &mut out);
        if written.is_err() {
            // A place whose source is not at hand: the message alone still helps.
            out.extend_from_slice(one_line(diagnostic).as_bytes());
            out.push(b'\n');
        }
    }
    String::from_utf8_lossy(&out).lines().map(|l| l.trim_end().to_owned() + "\n").collect()
}

/// `rules/ssh.weir:3:12: error[W0101]: unknown field …`
pub fn one_line(diagnostic: &Diagnostic) -> String {
    let Place { file, line, column, .. } = &diagnostic.place;
    let level = match diagnostic.level {
        Level::Error => "error",
        Level::Warning => "warning",
    };
    let near = diagnostic.fix.as_ref().map(|_| &diagnostic.place.label).filter(|label| !label.is_empty());
    let help = near.or(diagnostic.help.as_ref()).map_or(String::new(), |h| format!(" ({h})"));
    format!("{file}:{line}:{column}: {level}[{}]: {}{help}", diagnostic.code.number(), diagnostic.message)
}

struct Sources<'a, 'b>(&'a mut HashMap<Arc<str>, Source<Cow<'b, str>>>);

impl<'b> ariadne::Cache<Arc<str>> for Sources<'_, 'b> {
    type Storage = Cow<'b, str>;

    fn fetch(&mut self, id: &Arc<str>) -> Result<&Source<Cow<'b, str>>, impl std::fmt::Debug> {
        self.0.get(id).ok_or_else(|| format!("no source `{id}`"))
    }

    fn display<'a>(&self, id: &'a Arc<str>) -> Option<impl std::fmt::Display + 'a> {
        Some(id.clone())
    }
}

fn report(diagnostic: &Diagnostic, color: bool) -> Report<'static, (Arc<str>, std::ops::Range<usize>)> {
    let (kind, paint) = match diagnostic.level {
        Level::Error => (ReportKind::Error, Color::Red),
        Level::Warning => (ReportKind::Warning, Color::Yellow),
    };
    let range = |p: &Place| (p.file.clone(), p.start..p.end);
    let label = |p: &Place, paint| {
        let label = Label::new(range(p)).with_color(paint);
        if p.label.is_empty() { label.with_message("here") } else { label.with_message(&p.label) }
    };
    let mut report = Report::build(kind, range(&diagnostic.place))
        .with_config(Config::new().with_color(color).with_index_type(IndexType::Byte))
        .with_code(diagnostic.code.number())
        .with_message(&diagnostic.message);
    // In the order of the file, or ariadne shows a file in several pieces.
    let mut labels: Vec<(&Place, Color)> = diagnostic.related.iter().map(|p| (p, Color::Cyan)).collect();
    labels.push((&diagnostic.place, paint));
    labels.sort_by_key(|(p, _)| (p.file != diagnostic.place.file, p.start));
    report.add_labels(labels.into_iter().map(|(place, paint)| label(place, paint)));
    if let Some(help) = &diagnostic.help {
        report.set_help(help);
    }
    report.finish()
}
