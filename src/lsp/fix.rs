//! What would mend a mistake. In: a compiled folder and a span of a file. Out: the fixes of the diagnostics there.

use super::analysis::Analysis;
use crate::rule::Diagnostic;
use crate::rule::ast::Span;

/// A mistake and what to write instead.
#[derive(Debug)]
pub(crate) struct Fix<'a> {
    /// What it mends.
    pub(crate) mends: &'a Diagnostic,
    /// What is to be replaced.
    pub(crate) span: Span,
    /// By what.
    pub(crate) text: &'a str,
}

/// The fixes of diagnostics that touch the span.
pub(crate) fn fixes(analysis: &Analysis, file: usize, span: Span) -> Vec<Fix<'_>> {
    let name = &analysis.compiled.sources[file].name;
    let here = analysis.compiled.diagnostics.iter().filter(|d| d.place.file == *name);
    let touching = here.filter(|d| d.place.start <= span.end && span.start <= d.place.end);
    let fix = |d: &'_ Diagnostic| Span { start: d.place.start, end: d.place.end };
    touching.filter_map(|d| d.fix.as_deref().map(|text| Fix { mends: d, span: fix(d), text })).collect()
}
