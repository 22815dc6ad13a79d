//! What is wrong with a folder, as the protocol has it. In: an analysis. Out: for each file what was found in it.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use lsp_types::{
    Diagnostic, DiagnosticRelatedInformation, DiagnosticSeverity, Location, NumberOrString, Position, Range, Uri,
};

use super::analysis::Analysis;
use super::text::{Lines, Units};
use crate::rule::ast::Span;
use crate::rule::diagnostic::{Level, Place};
use crate::rule::{self, SourceFile};

/// What the client calls the server.
pub(crate) const SOURCE: &str = "weir";

/// The diagnostics of each file that has some. `address` is what the client calls a file.
pub(crate) fn diagnostics(
    analysis: &Analysis,
    units: Units,
    address: &dyn Fn(&Path) -> Option<Uri>,
) -> BTreeMap<PathBuf, Vec<Diagnostic>> {
    let sources: HashMap<&str, &SourceFile> = analysis.compiled.sources.iter().map(|s| (&*s.name, s)).collect();
    let mut lines: HashMap<&str, Lines<'_>> = HashMap::new();
    let mut range = |place: &Place| {
        let source = sources.get(&*place.file)?;
        let lines = lines.entry(&source.name).or_insert_with(|| Lines::new(&source.text, units));
        Some(lines.range(Span { start: place.start, end: place.end }))
    };
    let mut out: BTreeMap<PathBuf, Vec<Diagnostic>> = BTreeMap::new();
    for found in &analysis.compiled.diagnostics {
        let Some(at) = range(&found.place) else { continue };
        let mut related = Vec::new();
        for place in &found.related {
            if let (Some(range), Some(uri)) = (range(place), address(Path::new(&*place.file))) {
                let message = if place.label.is_empty() { "here".to_owned() } else { place.label.clone() };
                related.push(DiagnosticRelatedInformation { location: Location { uri, range }, message });
            }
        }
        out.entry(PathBuf::from(&*found.place.file)).or_default().push(Diagnostic {
            range: at,
            severity: Some(severity(found.level)),
            code: Some(NumberOrString::String(found.code.number().to_owned())),
            source: Some(SOURCE.to_owned()),
            message: message(found),
            related_information: (!related.is_empty()).then_some(related),
            ..Diagnostic::default()
        });
    }
    for (path, why) in &analysis.unreadable {
        out.entry(path.clone()).or_default().push(Diagnostic {
            range: Range::new(Position::new(0, 0), Position::new(0, 0)),
            severity: Some(DiagnosticSeverity::ERROR),
            source: Some(SOURCE.to_owned()),
            message: format!("the file cannot be read: {why}"),
            ..Diagnostic::default()
        });
    }
    out
}

fn severity(level: Level) -> DiagnosticSeverity {
    match level {
        Level::Error => DiagnosticSeverity::ERROR,
        Level::Warning => DiagnosticSeverity::WARNING,
    }
}

/// The sentence, what stands beside the underlining, and the advice, a line each.
fn message(found: &rule::Diagnostic) -> String {
    let mut out = found.message.clone();
    let label = Some(&found.place.label).filter(|label| !label.is_empty());
    for more in label.into_iter().chain(&found.help) {
        out.push('\n');
        out += more;
    }
    out
}
