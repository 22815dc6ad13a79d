//! One line → one event, or several for `message repeated`. In: the line. Out: rows of the builder.

use super::{Ingest, Pass};
use crate::event::time::DAY;
use crate::event::{EventBatch, EventId, field};
use crate::normalise::{self, web, web_error};
use crate::parse::syslog::{self, Envelope};
use crate::parse::{Format, access, apache_error, candidates, nginx_error};

/// A line that says it was repeated makes no more events than this: one datagram must not make a million.
const REPEATED: u64 = 1_000;

/// When and where a line was read.
#[derive(Clone, Copy)]
pub(super) struct At {
    pub(super) received: i64,
    /// Byte offset in the file, where there is one.
    pub(super) offset: Option<u64>,
}

impl At {
    pub(super) fn moved(self, by: usize) -> At {
        At { offset: self.offset.map(|o| o + by as u64), ..self }
    }
}

/// A line taken apart. JSON has gone into the builder's row already.
enum Parts<'a> {
    Syslog(Envelope<'a>),
    Access(access::Access<'a>),
    NginxError(nginx_error::Error<'a>),
    ApacheError(apache_error::Error<'a>),
    Json(Option<i64>),
    Nothing,
}

impl Parts<'_> {
    fn time(&self) -> Option<i64> {
        match self {
            Parts::Syslog(envelope) => envelope.time,
            Parts::Access(access) => Some(access.time),
            Parts::NginxError(error) => Some(error.time),
            Parts::ApacheError(error) => Some(error.time),
            Parts::Json(time) => *time,
            Parts::Nothing => None,
        }
    }

    /// The part of the line that is the event's message; `None` where the line has none of its own.
    fn message(&self) -> Option<&str> {
        match self {
            Parts::Syslog(envelope) => Some(envelope.message),
            Parts::NginxError(error) => Some(error.message),
            Parts::ApacheError(error) => Some(error.message),
            Parts::Access(_) | Parts::Json(_) | Parts::Nothing => None,
        }
    }
}

impl Ingest {
    pub(super) fn read(&mut self, raw: &str, lossy: bool, at: At, pass: &mut Pass<'_>, out: &mut Vec<EventBatch>) {
        let text = raw.strip_prefix('\u{feff}').unwrap_or(raw);
        let parts = self.parts(text);
        let stated = parts.time();
        let time = stated.or(self.source.reference_time).unwrap_or(at.received);
        let (times, repeated) = match parts.message().and_then(syslog::repeated) {
            Some((times, inner)) => (times, Some(inner)),
            None => (1, None),
        };
        let hash = xxhash_rust::xxh3::xxh3_128(raw.as_bytes());
        if let (Parts::Json(_), true, Some(taken)) = (&parts, self.json.has_id(), &mut pass.taken)
            && !taken.take(hash ^ self.name)
        {
            self.builder.clear_row();
            pass.counts.duplicates += 1;
            return;
        }
        let made = times.min(REPEATED);
        let earlier = || {
            let path = self.builder.row_text(field::LOG_FILE_PATH).unwrap_or(&self.source.name);
            self.earlier.count(time, raw.as_bytes(), path)
        };
        let before = self.occurrences.count(time, hash as u64, made, earlier);
        if pass.taken.is_some() {
            self.tentative.push((hash as u64, made));
        }
        for n in before..before + made {
            let id = if n == 0 { EventId::from_hash(time, hash) } else { EventId::new(time, raw.as_bytes(), n) };
            self.builder.set_id(id);
            self.builder.set_time(field::TIMESTAMP, time);
            self.builder.set_text(field::EVENT_ORIGINAL, raw);
            self.place(at, &parts);
            self.meaning(raw, &parts, repeated, pass);
            if lossy {
                self.builder.push_list(field::TAGS, "invalid_utf8");
            }
            if repeated.is_some() {
                self.builder.push_list(field::TAGS, "repeated");
            }
            if times > made {
                self.builder.push_list(field::TAGS, "repeat_capped");
                self.builder.set_extra("repeat.count", &times.to_string());
            }
            if stated.is_some_and(|t| t > at.received.saturating_add(DAY)) {
                self.builder.push_list(field::TAGS, "clock_skew");
                pass.counts.clock_skew += 1;
            }
            self.builder.end_row();
            // A run of repeats may be longer than a batch is.
            if made > 1 && self.is_full() {
                self.flush(out);
            }
        }
        pass.counts.events += made;
        pass.counts.repeated += made - 1;
    }

    /// Takes a line apart by the named format, or else by whichever fits. Which one that is, the line alone decides,
    /// and not what came before it: shuffled lines give the same events.
    fn parts<'a>(&mut self, text: &'a str) -> Parts<'a> {
        if let Some(format) = self.named {
            return self.parse(format, text);
        }
        for format in candidates(text) {
            let parts = self.parse(*format, text);
            if !matches!(parts, Parts::Nothing) {
                return parts;
            }
        }
        Parts::Nothing
    }

    fn parse<'a>(&mut self, format: Format, text: &'a str) -> Parts<'a> {
        let parts = match format {
            Format::Syslog => syslog::parse(text, &mut self.clock).map(Parts::Syslog),
            Format::NginxAccess | Format::ApacheAccess => access::parse(text).map(Parts::Access),
            Format::NginxError => nginx_error::parse(text, &mut self.clock).map(Parts::NginxError),
            Format::ApacheError => apache_error::parse(text, &mut self.clock).map(Parts::ApacheError),
            Format::Json => {
                let time = self.json.read(text, &mut self.clock, &mut self.builder);
                if time.is_none() {
                    self.builder.clear_row();
                }
                time.map(Parts::Json)
            }
        };
        parts.unwrap_or(Parts::Nothing)
    }

    fn place(&mut self, at: At, parts: &Parts<'_>) {
        self.builder.set_time(field::EVENT_INGESTED, at.received);
        if let Some(offset) = at.offset {
            self.builder.set_number(field::LOG_OFFSET, offset.into());
        }
        // An event that was shipped as JSON may know better which file it once stood in.
        if !matches!(parts, Parts::Json(_)) || !self.builder.is_set(field::LOG_FILE_PATH) {
            self.builder.set_text(field::LOG_FILE_PATH, &self.source.name);
        }
    }

    /// What the line means, in columns; `repeated` is the message inside `message repeated`.
    fn meaning(&mut self, raw: &str, parts: &Parts<'_>, repeated: Option<&str>, pass: &mut Pass<'_>) {
        let out = &mut self.builder;
        match (parts.message(), repeated) {
            (_, Some(inner)) => out.set_text(field::MESSAGE, inner),
            (Some(message), None) => set_message(raw, message, out),
            (None, None) => {}
        }
        match parts {
            Parts::Syslog(envelope) => {
                normalise::syslog::normalise(envelope, repeated.unwrap_or(envelope.message), out);
            }
            Parts::Access(access) => {
                web::normalise(access, out);
                out.set_word(field::EVENT_DATASET, self.access.name());
            }
            Parts::NginxError(error) => {
                web_error::nginx(error, out);
                out.set_word(field::EVENT_DATASET, Format::NginxError.name());
            }
            Parts::ApacheError(error) => {
                web_error::apache(error, out);
                out.set_word(field::EVENT_DATASET, Format::ApacheError.name());
            }
            Parts::Json(_) => {
                if !out.is_set(field::EVENT_DATASET) {
                    out.set_word(field::EVENT_DATASET, Format::Json.name());
                }
            }
            Parts::Nothing => {
                out.set_number(field::LOG_MESSAGE_OFFSET, 0);
                out.push_list(field::TAGS, "parse_failure");
                pass.counts.parse_failures += 1;
            }
        }
    }
}

/// The message is the line's tail: only where it starts is stored, in characters.
fn set_message(raw: &str, message: &str, out: &mut crate::event::BatchBuilder) {
    let head = &raw[..raw.len() - message.len()];
    let start = if head.is_ascii() { head.len() } else { head.chars().count() };
    out.set_number(field::LOG_MESSAGE_OFFSET, start as i128);
}
