//! SQL over the archive: the views people query, saved queries with parameters, output, and search.
//!
//! In come a data folder and a statement, out come rows. DuckDB runs in this process, in memory, over
//! the archive's files; nothing is written to them. The statement is the user's own, run with the
//! user's own rights; a stranger's runs in a process of its own, see [`sandbox`].

use std::io;

mod columnar;
mod hints;
mod instants;
mod lean;
pub mod lex;
mod macros;
mod output;
mod place;
mod record;
pub mod sandbox;
mod saved;
mod search;
mod session;
mod shown;
pub mod tables;
mod times;
mod value;
mod views;

pub use output::{Format, TABLE_ROWS, write};
pub use saved::{Kind, Parameter, SavedQuery, load, pack};
pub use search::{Search, events_by_id, search};
pub use session::{Each, Rows, Session, Stopper};
pub use value::{Argument, parse};

use crate::archive::ArchiveError;

/// Why a query gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// DuckDB refused the statement, or gave up on it.
    #[error("{0}")]
    Sql(String),
    /// A parameter is missing, unknown, or not of its type.
    #[error("{0}")]
    Parameter(String),
    /// A saved query is not written as it should be, or there is none of that name.
    #[error("{0}")]
    Saved(String),
    /// There is no such field.
    #[error("there is no field `{0}`: use a name like source.ip, or fields.NAME")]
    Field(String),
    /// A value does not fit its field.
    #[error("`{value}` is no value of {field}, which is a {ty}")]
    Value {
        /// The field.
        field: &'static str,
        /// The word for its type.
        ty: &'static str,
        /// What was asked for.
        value: String,
    },
    /// It took too long.
    #[error("the query took longer than {0} s and was stopped: name a time range or another filter")]
    TimedOut(u64),
    /// The archive.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// DuckDB could not be set up.
    #[error("cannot set up DuckDB: {0}")]
    Setup(String),
    /// Temporary space, or whoever reads the answer.
    #[error("{action}: {source}")]
    Io {
        /// What failed.
        action: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl QueryError {
    /// Whether whoever asked can mend it by asking otherwise.
    pub fn is_users(&self) -> bool {
        match self {
            QueryError::Sql(_)
            | QueryError::Parameter(_)
            | QueryError::Saved(_)
            | QueryError::Field(_)
            | QueryError::Value { .. }
            | QueryError::TimedOut(_) => true,
            QueryError::Archive(_) | QueryError::Setup(_) | QueryError::Io { .. } => false,
        }
    }

    /// DuckDB's own message without the list of everything that would have been possible.
    fn sql(error: &duckdb::Error) -> QueryError {
        let text = match error {
            duckdb::Error::DuckDBFailure(_, Some(text)) => text.clone(),
            other => other.to_string(),
        };
        let text = match (text.find("\n\tCandidate functions:"), text.find("\nLINE ")) {
            (Some(start), Some(end)) if start < end => format!("{}\n{}", &text[..start], &text[end..]),
            (Some(start), None) => text[..start].to_owned(),
            _ => text,
        };
        // It may quote what is in events, and a terminal must not obey that.
        let mut text = output::printable_lines(text.trim_end()).into_owned();
        if let Some(hint) = hints::hint(&text) {
            text = format!("{text}\n\nhelp: {hint}");
        }
        QueryError::Sql(text)
    }
}

#[cfg(test)]
mod tests;
