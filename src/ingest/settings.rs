//! What can be set about reading logs.

use jiff::tz::TimeZone;

/// Settings of the parsers.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Rows of a full batch. Larger ones compress better; a block's last batch may be smaller.
    pub batch_rows: usize,
    /// Zone of times that name none.
    pub zone: TimeZone,
}

impl Default for Settings {
    /// 32,768 rows, and the machine's zone.
    fn default() -> Settings {
        Settings { batch_rows: 32_768, zone: TimeZone::system() }
    }
}
