//! A connection of a session, which sees `events` in one form.

use std::cell::Cell;

use duckdb::Connection;

use super::lean::Wanted;
use super::views::{self, Form};
use super::{QueryError, tables};

/// A connection that sees `events` in one form.
pub(super) struct Place {
    form: Form,
    pub(super) connection: Connection,
    /// Which views are there: they are made when they are first needed.
    pub(super) made: Cell<Wanted>,
}

impl Place {
    pub(super) fn new(form: Form, database: &Connection) -> duckdb::Result<Place> {
        let connection = database.try_clone()?;
        if form != Form::Whole {
            let schema = form.schema();
            connection.execute_batch(&format!("CREATE SCHEMA {schema}; SET search_path = '{schema},main'"))?;
        }
        Ok(Place { form, connection, made: Cell::new(Wanted::Nothing) })
    }

    /// Makes the views that are needed and not there, over the stored events.
    pub(super) fn make(&self, wanted: Wanted) -> Result<(), QueryError> {
        let made = self.made.get();
        let missing = |view: Wanted| wanted >= view && made < view;
        let events = missing(Wanted::Events).then(|| views::events(self.form));
        let sources = missing(Wanted::All).then(|| tables::sources(self.form.schema()));
        let make: Vec<String> = events.into_iter().chain(sources).collect();
        self.connection.execute_batch(&make.join(";")).map_err(|e| QueryError::Setup(e.to_string()))?;
        self.made.set(made.max(wanted));
        Ok(())
    }
}
