//! stand-in
use crate::event::EventId;
use crate::rule::plan::Tuple;
/// row
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[allow(missing_docs)]
pub struct MatchRow {
    pub rule: u32,
    pub steps: u32,
    pub time: i64,
    pub id: EventId,
    pub key: Tuple,
    pub values: Tuple,
}
