//! Field names that people know from other tools, or mistype. In: a name that is no field. Out: the field that was
//! likely meant.

use super::nearest::nearest;
use crate::event::field;

/// Names people know from other tools.
const ALIASES: &[(&str, &str)] = &[
    ("source.address", "source.ip"),
    ("client.ip", "source.ip"),
    ("client.address", "source.ip"),
    ("destination.address", "destination.ip"),
    ("server.ip", "destination.ip"),
    ("src_ip", "source.ip"),
    ("src.ip", "source.ip"),
    ("ip", "source.ip"),
    ("dst_ip", "destination.ip"),
    ("dst.ip", "destination.ip"),
    ("dest.ip", "destination.ip"),
    ("port", "destination.port"),
    ("dst_port", "destination.port"),
    ("src_port", "source.port"),
    ("user", "user.name"),
    ("username", "user.name"),
    ("host", "host.name"),
    ("hostname", "host.name"),
    ("status", "http.response.status_code"),
    ("status_code", "http.response.status_code"),
    ("path", "url.path"),
    ("command_line", "process.command_line"),
    ("commandline", "process.command_line"),
    ("image", "process.executable"),
    ("eventid", "event.code"),
    ("event_id", "event.code"),
    ("timestamp", "@timestamp"),
    ("time", "@timestamp"),
    ("category", "event.category"),
    ("msg", "message"),
];

/// What an unknown field was likely meant to be.
pub(super) enum Near {
    Field(&'static str),
    /// A name of other tools, and ours.
    Alias(&'static str, &'static str),
    None,
}

pub(super) fn near_field(wrong: &str) -> Near {
    let lower = wrong.to_lowercase();
    let alias = |name: &str| ALIASES.iter().find(|(alias, _)| *alias == name).map(|(a, right)| Near::Alias(a, right));
    if let Some(near) = alias(&lower) {
        return near;
    }
    let names = || field::TABLE.iter().map(|f| f.name);
    let ending = format!(".{}", lower.replace('_', "."));
    let same_ending = names().find(|n| *n == lower || n.replace('_', ".").ends_with(&ending));
    if let Some(name) = same_ending {
        return Near::Field(name);
    }
    let near = nearest(wrong, names().chain(ALIASES.iter().map(|(alias, _)| *alias)));
    near.map_or(Near::None, |near| alias(near).unwrap_or(Near::Field(near)))
}
