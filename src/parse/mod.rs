//! Wire formats: one file a format. In: one line of text. Out: its parts, borrowed from the line.
//!
//! Everything here is pure: no file, no clock on the wall. What the parts mean is said in
//! [`crate::normalise`]. JSON alone goes straight into a [`crate::event::BatchBuilder`], since its
//! parts are already named.

pub mod access;
pub mod apache_error;
pub mod clock;
pub mod json;
mod json_text;
pub mod nginx_error;
pub(crate) mod scan;
pub mod syslog;
mod syslog5424;
mod time_text;

/// A format that a source can have. It is found by content unless the source names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Syslog, RFC 3164 and RFC 5424, and the lines that syslog daemons write to files.
    Syslog,
    /// Nginx access log: combined and common.
    NginxAccess,
    /// Apache access log: common, combined, combined with virtual host.
    ApacheAccess,
    /// Nginx error log.
    NginxError,
    /// Apache error log, 2.2 and 2.4.
    ApacheError,
    /// One JSON object a line.
    Json,
}

/// All formats, the likeliest by far first.
pub const ALL: [Format; 6] =
    [Format::Syslog, Format::NginxAccess, Format::ApacheAccess, Format::NginxError, Format::ApacheError, Format::Json];

impl Format {
    /// The name by which a source asks for it; where it has one, it is `event.dataset` too.
    pub fn name(self) -> &'static str {
        match self {
            Format::Syslog => "syslog",
            Format::NginxAccess => "nginx.access",
            Format::ApacheAccess => "apache.access",
            Format::NginxError => "nginx.error",
            Format::ApacheError => "apache.error",
            Format::Json => "json",
        }
    }

    /// The format of this name.
    pub fn from_name(name: &str) -> Result<Format, UnknownFormat> {
        ALL.into_iter().find(|f| f.name().eq_ignore_ascii_case(name)).ok_or_else(|| UnknownFormat(name.to_owned()))
    }
}

/// A source names a format that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown format {0:?}: use one of {known}, or name none and it is found by content", known = formats().join(", "))]
pub struct UnknownFormat(pub String);

/// The names of all formats.
pub fn formats() -> Vec<&'static str> {
    ALL.iter().map(|f| f.name()).collect()
}

/// The formats worth trying on a line that begins like this, best first.
pub(crate) fn candidates(text: &str) -> &'static [Format] {
    match text.as_bytes() {
        [b'{', ..] => &[Format::Json],
        [b' ' | b'\t', ..] if text.trim_start().starts_with('{') => &[Format::Json],
        [b'[', ..] => &[Format::ApacheError],
        [b'<', ..] => &[Format::Syslog],
        [b'0'..=b'9', b'0'..=b'9', b'0'..=b'9', b'0'..=b'9', b'/', ..] => &[Format::NginxError],
        _ => &[Format::Syslog, Format::ApacheAccess],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_formats() {
        for format in ALL {
            assert_eq!(Format::from_name(format.name()), Ok(format));
        }
        let error = Format::from_name("evtx").unwrap_err().to_string();
        assert!(error.contains("evtx") && error.contains("nginx.access"), "{error}");
        assert_eq!(formats().len(), ALL.len());
    }
}
