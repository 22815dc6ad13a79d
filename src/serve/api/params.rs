//! Query parameters: read once, each named in the error when it is wrong or unknown.

use crate::event::field::{EXTRA_PREFIX, by_name};
use crate::event::time::{SECOND, now, parse_rfc3339};
use crate::serve::SearchRequest;
use crate::serve::problem::Problem;

/// The most events or alerts one answer holds.
const MOST: usize = 1_000;
/// How many it holds unless asked.
const USUAL: usize = 100;

/// The parameters of one request, in order.
#[derive(Debug)]
pub(super) struct Params(Vec<(String, String)>);

impl Params {
    pub(super) fn new(pairs: Vec<(String, String)>) -> Params {
        Params(pairs)
    }

    /// The last value of a name; an empty one counts as absent.
    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        let mut value = None;
        self.0.retain_mut(|(n, v)| {
            let hit = n == name;
            if hit {
                value = Some(std::mem::take(v));
            }
            !hit
        });
        value.filter(|v| !v.is_empty())
    }

    /// All values of a name.
    pub(super) fn take_all(&mut self, name: &str) -> Vec<String> {
        let (hits, rest) = std::mem::take(&mut self.0).into_iter().partition(|(n, _)| n == name);
        self.0 = rest;
        let hits: Vec<(String, String)> = hits;
        hits.into_iter().map(|(_, v)| v).filter(|v| !v.is_empty()).collect()
    }

    /// `limit`, between 1 and 1,000.
    pub(super) fn limit(&mut self) -> Result<usize, Problem> {
        match self.take("limit") {
            None => Ok(USUAL),
            Some(text) => match text.parse() {
                Ok(limit @ 1..=MOST) => Ok(limit),
                Ok(_) | Err(_) => Err(Problem::bad_request(format!("`limit={text}` is not between 1 and {MOST}"))),
            },
        }
    }

    /// An instant: RFC 3339, or `-15m`, `-1h`, `-7d` before now.
    fn time(&mut self, name: &str) -> Result<Option<i64>, Problem> {
        let Some(text) = self.take(name) else { return Ok(None) };
        let instant = parse_rfc3339(&text).or_else(|| Some(now().saturating_sub(ago(&text)?)));
        instant.map(Some).ok_or_else(|| {
            Problem::bad_request(format!(
                "`{name}={text}` is not a time: write it like 2026-01-15T10:30:45Z, or -15m, -1h, -7d before now"
            ))
        })
    }

    /// Everything a search takes. Other names must be fields: `source.ip=1.2.3.4` is `filter=source.ip:1.2.3.4`.
    pub(super) fn search(mut self) -> Result<SearchRequest, Problem> {
        let mut request = SearchRequest {
            text: self.take("q").map(|q| q.trim().to_owned()).filter(|q| !q.is_empty()),
            filters: Vec::new(),
            from: self.time("from")?,
            to: self.time("to")?,
            limit: self.limit()?,
        };
        let mut filters = self.take_all("filter");
        filters.extend(self.take_all("field"));
        for filter in filters {
            match filter.split_once(':') {
                Some((name, value)) => request.filters.push((field(name)?, value.to_owned())),
                None => {
                    let detail = format!("`filter={filter}` lacks a value: write it like filter=source.ip:192.0.2.1");
                    return Err(Problem::bad_request(detail));
                }
            }
        }
        for (name, value) in std::mem::take(&mut self.0) {
            request.filters.push((field(&name)?, value));
        }
        Ok(request)
    }

    /// Refuses what nobody took.
    pub(super) fn end(self) -> Result<(), Problem> {
        match self.0.first() {
            None => Ok(()),
            Some((name, _)) => Err(Problem::bad_request(format!("there is no parameter `{name}` here"))),
        }
    }
}

fn field(name: &str) -> Result<String, Problem> {
    match by_name(name) {
        Some(id) => Ok(id.name().to_owned()),
        None if name.len() > EXTRA_PREFIX.len() && name.starts_with(EXTRA_PREFIX) => Ok(name.to_owned()),
        None => {
            let detail = format!("`{name}` is neither a parameter nor a field; other values are under fields.*");
            Err(Problem::bad_request(detail))
        }
    }
}

/// `-15m` as µs.
fn ago(text: &str) -> Option<i64> {
    let text = text.strip_prefix('-')?;
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let unit = match unit {
        "s" => SECOND,
        "m" => 60 * SECOND,
        "h" => 3_600 * SECOND,
        "d" => 86_400 * SECOND,
        "w" => 7 * 86_400 * SECOND,
        _ => return None,
    };
    i64::from(number.parse::<u32>().ok()?).checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(pairs: &[(&str, &str)]) -> Params {
        Params::new(pairs.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect())
    }

    #[test]
    fn a_search_is_read() {
        let request = params(&[
            ("q", " failed "),
            ("filter", "source.ip:2001:db8::1"),
            ("user.name", "root"),
            ("fields.a b", "x"),
            ("from", "2026-01-15T10:30:45Z"),
            ("to", ""),
            ("limit", "7"),
        ]);
        let request = request.search().unwrap();
        assert_eq!(request.text.as_deref(), Some("failed"));
        let filters = [("source.ip", "2001:db8::1"), ("user.name", "root"), ("fields.a b", "x")];
        assert_eq!(request.filters, filters.map(|(n, v)| (n.to_owned(), v.to_owned())));
        assert_eq!((request.from, request.to, request.limit), (Some(1_768_473_045_000_000), None, 7));
    }

    #[test]
    fn wrong_ones_are_named() {
        for (name, value) in [
            ("limit", "0"),
            ("limit", "1001"),
            ("limit", "x"),
            ("from", "yesterday"),
            ("from", "-"),
            ("from", "-é"),
            ("to", "-99999999999d"),
            ("filter", "root"),
            ("filter", "user.nam:root"),
            ("colour", "red"),
            ("fields.", "x"),
        ] {
            assert!(params(&[(name, value)]).search().is_err(), "{name}={value}");
        }
        assert!(params(&[("from", "-15m")]).search().is_ok());
    }
}
