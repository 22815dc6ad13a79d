//! Rules: text in, plan out. No dataflow here.
//!
//! Reading order: `split` cuts a file into items, `parse` (with `grammar.pest`) makes the tree [`ast`],
//! `scope` resolves the folder's names, `check` makes the [`plan`] rule by rule: conditions (`condition`, `operand`,
//! `entry`, `listed`), forms (`form`, `having`, `steps`, `residual`, `novel`, `baseline`), `title`, `trial`. `level`
//! orders rules over alerts, to which `raised` makes alerts events. [`mod@lint`] warns of what compiles and is likely not meant.
//! Everything that is wrong comes out as [`diagnostic::Diagnostic`]s.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

mod alias;
pub mod ast;
pub mod attack;
mod baseline;
mod check;
pub mod code;
mod condition;
#[cfg(test)]
mod cookbook;
pub mod diagnostic;
mod entry;
pub mod explain;
mod form;
pub mod format;
mod having;
mod level;
pub mod lint;
mod listed;
mod literal;
pub mod load;
mod novel;
mod operand;
mod pack;
mod parse;
pub mod place;
pub mod plan;
pub(crate) mod raised;
pub mod reference;
mod residual;
#[cfg(test)]
mod samples;
mod scope;
mod setting;
mod simplify;
mod split;
mod steps;
mod syntax;
pub mod tactic;
#[cfg(test)]
mod tests;
mod title;
pub mod trial;
mod tuning;
pub mod words;

pub use diagnostic::{Diagnostic, render};
pub use level::sees;
pub use lint::lint;
pub use load::{LoadError, load};
pub use pack::pack;

pub(crate) use crate::event::nearest;
pub(crate) use scope::{CATEGORIES, is_builtin};

/// A rule file.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// What it is called in messages.
    pub name: Arc<str>,
    /// Its content.
    pub text: String,
}

/// A compiled folder.
#[derive(Debug, Default)]
pub struct Compiled {
    /// The files, for rendering diagnostics.
    pub sources: Vec<SourceFile>,
    /// The rules that are right.
    pub program: plan::Program,
    /// Everything found, by file and place.
    pub diagnostics: Vec<Diagnostic>,
    /// Names of the rules that are left out because of an error. Those whose name cannot be read are not among them.
    pub rejected: Vec<String>,
    /// The tests of the rules that are right, as they are written.
    pub trials: Vec<trial::Trial>,
    /// The trees, for tools that need more than the plan.
    pub trees: Vec<ast::File>,
}

impl Compiled {
    /// Whether something is wrong enough to leave a rule out.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }
}

/// Compiles files as one program. `lists` reads a list's file by its path in the rules folder.
pub fn compile(files: &[SourceFile], lists: &dyn Fn(&str) -> io::Result<String>) -> Compiled {
    checked(files, files.iter().map(parse::parse), lists)
}

/// Compiles one file by itself, where no list has a file of its own.
pub fn compile_alone(name: &str, text: &str) -> Compiled {
    let file = SourceFile { name: name.into(), text: text.to_owned() };
    compile(&[file], &|_| Err(io::ErrorKind::NotFound.into()))
}

/// Files as last parsed, for [`compile_again`].
#[derive(Debug, Default)]
pub struct Parsed {
    files: HashMap<Arc<str>, (String, ast::File, Vec<Diagnostic>)>,
}

/// The same as [`compile`], for a folder that is compiled again and again: most of the time goes into parsing, and files
/// that are what they were are not parsed again.
pub fn compile_again(
    files: &[SourceFile],
    lists: &dyn Fn(&str) -> io::Result<String>,
    before: &mut Parsed,
) -> Compiled {
    let mut known = std::mem::take(&mut before.files);
    for file in files {
        let same = known.remove(&file.name).filter(|(text, ..)| *text == file.text);
        let parsed = same.unwrap_or_else(|| {
            let (tree, errors) = parse::parse(file);
            (file.text.clone(), tree, errors)
        });
        before.files.insert(file.name.clone(), parsed);
    }
    let parsed = files.iter().map(|file| {
        let (_, tree, errors) = &before.files[&file.name];
        (tree.clone(), errors.clone())
    });
    checked(files, parsed, lists)
}

/// The rest of compiling, behind parsing.
fn checked(
    files: &[SourceFile],
    parsed: impl Iterator<Item = (ast::File, Vec<Diagnostic>)>,
    lists: &dyn Fn(&str) -> io::Result<String>,
) -> Compiled {
    let mut diagnostics = Vec::new();
    let mut trees = Vec::with_capacity(files.len());
    for (tree, mut errors) in parsed {
        diagnostics.append(&mut errors);
        trees.push(tree);
    }
    let inputs: Vec<scope::Input<'_>> =
        trees.iter().zip(files).map(|(tree, source)| scope::Input { file: tree, text: &source.text }).collect();
    let scope = scope::resolve(&inputs, lists, &mut diagnostics);
    let (program, rejected, trials) = check::program(&scope, &inputs, &mut diagnostics);
    diagnostic::locate(&mut diagnostics, files);
    Compiled { sources: files.to_vec(), program, diagnostics, rejected, trees, trials }
}
