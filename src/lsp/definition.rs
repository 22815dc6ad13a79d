//! Where a name is given, and where it is used. In: a compiled folder and a place in it. Out: places of its files.

use std::path::PathBuf;

use super::analysis::Analysis;
use super::names::{self, Kind, Use};
use crate::rule::ast::Span;

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Target {
    /// The file.
    pub(crate) path: PathBuf,
    /// Where in it.
    pub(crate) span: Span,
}

/// Where the name at a place is given; for the path of a list, its file.
pub(crate) fn definition(analysis: &Analysis, file: usize, offset: usize) -> Vec<Target> {
    let uses = names::uses(analysis);
    let Some(found) = names::at(&uses, file, offset) else { return Vec::new() };
    if found.kind == Kind::ListFile {
        let path = names::list_file(analysis, found);
        // What cannot be read is nowhere to go.
        let known = analysis.lists.contains_key(&found.name);
        return known.then_some(Target { path, span: Span::default() }).into_iter().collect();
    }
    names::same(&uses, found).filter(|used| used.defines).map(|used| target(analysis, used)).collect()
}

/// Where the name at a place is used; with `given`, also where it is given.
pub(crate) fn references(analysis: &Analysis, file: usize, offset: usize, given: bool) -> Vec<Target> {
    let uses = names::uses(analysis);
    let Some(found) = names::at(&uses, file, offset) else { return Vec::new() };
    names::same(&uses, found).filter(|used| given || !used.defines).map(|used| target(analysis, used)).collect()
}

fn target(analysis: &Analysis, used: &Use) -> Target {
    Target { path: analysis.path(used.file), span: used.span }
}
