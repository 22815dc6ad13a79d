//! Which columns a stored file has. In: batches. Out: the set of their columns.

use super::batch::EventBatch;
use super::field::{self, FieldId};

/// Which columns there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns {
    present: Vec<bool>,
    extra: bool,
    pieces: bool,
}

impl Columns {
    /// None of them.
    pub fn none() -> Columns {
        Columns { present: vec![false; field::COUNT], extra: false, pieces: false }
    }

    /// All of them.
    pub fn all() -> Columns {
        Columns { present: vec![true; field::COUNT], extra: true, pieces: true }
    }

    /// Those of a batch.
    pub fn of(batch: &EventBatch) -> Columns {
        let present = field::all().map(|id| batch.column(id).is_some()).collect();
        Columns { present, extra: !batch.extras().is_empty(), pieces: false }
    }

    /// Adds a column.
    pub fn insert(&mut self, field: FieldId) {
        self.present[field.0 as usize] = true;
    }

    /// Adds the pieces of raw lines, see [`super::line`].
    pub fn insert_pieces(&mut self) {
        self.pieces = true;
    }

    /// Whether they are.
    pub fn has_pieces(&self) -> bool {
        self.pieces
    }

    /// Adds the `fields` column.
    pub fn insert_extra(&mut self) {
        self.extra = true;
    }

    /// Adds those of the other.
    pub fn extend(&mut self, other: &Columns) {
        self.present.iter_mut().zip(&other.present).for_each(|(a, b)| *a |= b);
        self.extra |= other.extra;
        self.pieces |= other.pieces;
    }

    /// Whether the column is among them.
    pub fn contains(&self, field: FieldId) -> bool {
        self.present[field.0 as usize]
    }

    /// Whether the `fields` column is.
    pub fn has_extra(&self) -> bool {
        self.extra
    }

    /// Whether all of the other's are.
    pub fn covers(&self, other: &Columns) -> bool {
        (self.extra || !other.extra) && self.present.iter().zip(&other.present).all(|(a, b)| *a || !*b)
    }

    /// With a column of each struct within the structs that there are: DuckDB 2.0 fails to read a field of an inner one
    /// alone where one of several files has only the outer.
    pub fn with_inner_structs(mut self) -> Columns {
        let parent = |id: FieldId| id.name().rsplit_once('.').map(|(parent, _)| parent);
        let outer = |id: FieldId| id.name().split('.').next().unwrap_or_default();
        let mut inner: Vec<(&str, FieldId)> = field::all().filter_map(|id| Some((parent(id)?, id))).collect();
        inner.dedup_by_key(|(parent, _)| *parent);
        for (_, id) in inner {
            if field::all().any(|other| self.contains(other) && outer(other) == outer(id)) {
                self.insert(id);
            }
        }
        self
    }
}
