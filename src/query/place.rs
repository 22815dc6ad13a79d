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
    /// Whether `events` is there, and `sources`: they are made when they are first needed.
    made: [Cell<bool>; 2],
}

impl Place {
    pub(super) fn new(form: Form, database: &Connection) -> duckdb::Result<Place> {
        let connection = database.try_clone()?;
        if form != Form::Whole {
            let schema = form.schema();
            connection.execute_batch(&format!("CREATE SCHEMA {schema}; SET search_path = '{schema},main'"))?;
        }
        Ok(Place { form, connection, made: Default::default() })
    }

    /// Makes the views that are needed and not there, over the stored events.
    pub(super) fn make(&self, wanted: Wanted) -> Result<(), QueryError> {
        let [events, sources] = &self.made;
        let make = |made: &Cell<bool>, sql: &dyn Fn() -> String| -> Result<(), QueryError> {
            if !made.get() {
                self.connection.execute_batch(&sql()).map_err(|e| QueryError::Setup(e.to_string()))?;
                made.set(true);
            }
            Ok(())
        };
        if wanted.events {
            make(events, &|| views::events(self.form))?;
        }
        if wanted.sources {
            make(sources, &|| tables::sources(self.form.schema()))?;
        }
        Ok(())
    }
}
