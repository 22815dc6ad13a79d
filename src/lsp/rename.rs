//! Another name for a rule, a `let`, a list or a step. In: a compiled folder, a place in it, the name. Out: what to write
//! where, or why not: nothing is renamed that would then mean something else.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use super::analysis::Analysis;
use super::names::{self, Kind, Use};
use super::token::{self, tokens};
use crate::event::field;
use crate::rule::ast::Span;
use crate::rule::place::{is_list_name, is_name, items};
use crate::rule::{self, Diagnostic, SourceFile};

/// The name at a place, if it can be changed.
pub(crate) fn prepare(analysis: &Analysis, file: usize, offset: usize) -> Result<(Span, String), String> {
    let uses = names::uses(analysis);
    let found = named(&uses, file, offset)?;
    Ok((found.span, analysis.text(file)[found.span.start..found.span.end].to_owned()))
}

/// The places to write the new name at, by file.
pub(crate) fn rename(
    analysis: &Analysis,
    file: usize,
    offset: usize,
    new: &str,
) -> Result<BTreeMap<PathBuf, Vec<Span>>, String> {
    let uses = names::uses(analysis);
    let found = named(&uses, file, offset)?;
    let (kind, old) = (&found.kind, found.name.as_str());
    let valid = if *kind == Kind::List { is_list_name(new) } else { is_name(new) };
    if !valid {
        return Err(format!(
            "`{new}` cannot be a name: letters, digits, `_` and `-`, a letter first, and no word of the language"
        ));
    }
    let places: Vec<&Use> = names::same(&uses, found).collect();
    if new != old {
        if let Some(other) = uses.iter().find(|used| used.kind == *kind && used.name == new) {
            let line = line(analysis.text(other.file), other.span.start);
            let place = analysis.path(other.file);
            return Err(format!("there already is a {} `{new}`: {}:{line}", kind.word(), place.display()));
        }
        unread(analysis, old)?;
        still_means_the_same(analysis, &uses, &places, new)?;
    }
    let mut out: BTreeMap<PathBuf, Vec<Span>> = BTreeMap::new();
    for place in places {
        out.entry(analysis.path(place.file)).or_default().push(place.span);
    }
    Ok(out)
}

fn named(uses: &[Use], file: usize, offset: usize) -> Result<&Use, String> {
    let found = names::at(uses, file, offset).ok_or("only rules, `let`s, lists and steps can be renamed")?;
    if found.kind == Kind::ListFile {
        return Err("this is the path of a file: rename the file, then write its new path".to_owned());
    }
    if !names::same(uses, found).any(|used| used.defines) {
        return Err(format!("there is no {} `{}`", found.kind.word(), found.name));
    }
    Ok(found)
}

/// Refuses when the name stands in an item that does not parse, where its uses are not known.
fn unread(analysis: &Analysis, old: &str) -> Result<(), String> {
    for (file, tree) in analysis.compiled.trees.iter().enumerate() {
        let text = analysis.text(file);
        if !text.contains(old) {
            continue;
        }
        let broken = |chunk: &&Span| {
            let wrong = |d: &&Diagnostic| *d.place.file == *tree.name && d.code.number() < "W0006" && d.is_error();
            analysis
                .compiled
                .diagnostics
                .iter()
                .filter(wrong)
                .any(|d| chunk.start <= d.place.start && d.place.start <= chunk.end)
        };
        for chunk in items(text).iter().filter(broken) {
            let piece = &text[..chunk.end];
            let word = |token: &token::Token| {
                token.kind != token::Kind::Comment
                    && token
                        .of(piece)
                        .split(|c: char| !(c.is_ascii_alphanumeric() || "_-".contains(c)))
                        .any(|w| w == old)
            };
            if let Some(token) = tokens(piece, chunk.start).iter().find(|token| word(token)) {
                let line = line(text, token.span.start);
                return Err(format!("`{old}` stands in an item with a syntax error: mend {}:{line} first", tree.name));
            }
        }
    }
    Ok(())
}

/// Compiles the folder with the new name: there must be no new error, and the name must mean in each place what it meant.
fn still_means_the_same(analysis: &Analysis, uses: &[Use], places: &[&Use], new: &str) -> Result<(), String> {
    let mut files: Vec<SourceFile> = analysis.compiled.sources.clone();
    for place in places.iter().rev() {
        files[place.file].text.replace_range(place.span.start..place.span.end, new);
    }
    let compiled = rule::compile(&files, &|list| {
        analysis.lists.get(list).cloned().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    });
    let errors = |found: &[Diagnostic]| found.iter().filter(|d| d.is_error()).count();
    if errors(&compiled.diagnostics) > errors(&analysis.compiled.diagnostics) {
        let known: Vec<&str> = analysis.compiled.diagnostics.iter().map(|d| d.message.as_str()).collect();
        let fresh = compiled.diagnostics.iter().find(|d| d.is_error() && !known.contains(&d.message.as_str()));
        let why = fresh.map_or_else(String::new, |d| format!(": {}", d.message));
        return Err(format!("`{new}` would clash{why}"));
    }
    let after = Analysis { compiled, folder: analysis.folder.clone(), ..Analysis::default() };
    // Starts of rules move with what is renamed before them, so steps are told apart by their file alone.
    let shape = |used: &Use| (used.kind.word(), used.file, used.defines);
    let so_called = |used: &&Use| used.name == new && used.kind.word() == places[0].kind.word();
    let mut meant: Vec<_> = names::uses(&after).iter().filter(so_called).map(shape).collect();
    let taken = uses.iter().filter(so_called);
    let mut expected: Vec<_> = places.iter().copied().chain(taken).map(shape).collect();
    expected.sort_unstable();
    meant.sort_unstable();
    if meant != expected {
        let hidden =
            if field::by_name(new).is_some() || field::TABLE.iter().any(|f| f.name.starts_with(&format!("{new}."))) {
                ", as a field"
            } else {
                ""
            };
        return Err(format!("`{new}` would mean something else in one of the places{hidden}"));
    }
    Ok(())
}

fn line(text: &str, offset: usize) -> usize {
    text[..offset].matches('\n').count() + 1
}
