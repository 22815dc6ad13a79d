//! The planted attacks. In: a kind, a start, a length. Out: its lines on the stage and the truth about it.

use std::fmt;
use std::str::FromStr;

use serde_json::{Map, Value};

use super::stage::Stage;
use super::{Origin, scene};
use crate::event::time::{self, SECOND};

/// What can be planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attack {
    /// Many wrong passwords over SSH from one address.
    SshBruteforce,
    /// A few wrong passwords, then the right one.
    BruteforceSuccess,
    /// One wrong password for each of many people, from one address.
    PasswordSpray,
    /// An account is made, and somebody from outside logs in with it.
    NewUserLogin,
    /// An account without the right tries sudo, again and again.
    SudoAbuse,
    /// root logs in with a password from outside.
    RootLogin,
    /// One address asks for many paths that do not exist.
    WebScanner,
    /// SQL in query strings.
    SqlInjection,
    /// `../` in paths and query strings.
    PathTraversal,
    /// The server fails for many visitors at once.
    ServerErrors,
    /// A PLC is stopped and given a new program from a machine that is no engineering station.
    PlcTakeover,
    /// A sensor's value leaves its range and keeps going.
    SensorDrift,
    /// Many wrong passwords at the portal from one address.
    PortalBruteforce,
}

impl Attack {
    /// All of them, in the order the demo shows them.
    pub const ALL: [Attack; 13] = [
        Attack::SshBruteforce,
        Attack::WebScanner,
        Attack::PlcTakeover,
        Attack::BruteforceSuccess,
        Attack::SqlInjection,
        Attack::SensorDrift,
        Attack::PasswordSpray,
        Attack::NewUserLogin,
        Attack::PathTraversal,
        Attack::SudoAbuse,
        Attack::ServerErrors,
        Attack::RootLogin,
        Attack::PortalBruteforce,
    ];

    /// Its name on the command line and in the truth.
    pub fn name(self) -> &'static str {
        self.facts().0
    }

    /// The log it shows in.
    pub fn origin(self) -> Origin {
        self.facts().1
    }

    /// How long it takes when there is time, µs.
    pub(super) fn length(self) -> i64 {
        self.facts().2 * SECOND
    }

    /// About how many lines it adds.
    pub(super) fn lines(self) -> u64 {
        self.facts().3
    }

    fn facts(self) -> (&'static str, Origin, i64, u64) {
        match self {
            Attack::SshBruteforce => ("ssh_bruteforce", Origin::Auth, 100, 50),
            Attack::BruteforceSuccess => ("bruteforce_success", Origin::Auth, 90, 20),
            // Slow enough that no five minutes hold ten failures: a spray and nothing else.
            Attack::PasswordSpray => ("password_spray", Origin::Auth, 1150, 48),
            Attack::NewUserLogin => ("new_user_login", Origin::Auth, 240, 14),
            Attack::SudoAbuse => ("sudo_abuse", Origin::Auth, 80, 14),
            Attack::RootLogin => ("root_login", Origin::Auth, 1, 8),
            Attack::WebScanner => ("web_scanner", Origin::Web, 50, 60),
            Attack::SqlInjection => ("sql_injection", Origin::Web, 40, 8),
            Attack::PathTraversal => ("path_traversal", Origin::Web, 40, 8),
            Attack::ServerErrors => ("server_errors", Origin::Web, 50, 60),
            Attack::PlcTakeover => ("plc_takeover", Origin::Ot, 60, 4),
            Attack::SensorDrift => ("sensor_drift", Origin::Ot, 110, 20),
            Attack::PortalBruteforce => ("portal_bruteforce", Origin::App, 100, 20),
        }
    }
}

impl fmt::Display for Attack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Attack {
    type Err = String;

    fn from_str(text: &str) -> Result<Attack, String> {
        Attack::ALL.into_iter().find(|a| a.name() == text).ok_or_else(|| {
            format!("`{text}` is not an attack: use all, none, or some of {}", Attack::ALL.map(Attack::name).join(","))
        })
    }
}

/// The truth about an attack that was planted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planted {
    /// What it is.
    pub attack: Attack,
    /// Whom an alert about it should name, by field.
    pub key: Vec<(&'static str, String)>,
    /// Time of its first telling event, µs UTC, as exactly as the log shows it.
    pub first: i64,
    /// Time of its last one.
    pub last: i64,
    /// How many telling events there are.
    pub events: u64,
    /// Where its last line stands in the order of all lines.
    pub(super) place: (i64, u64),
}

impl Planted {
    /// As a JSON object.
    pub fn to_json(&self) -> Value {
        let key: Map<_, _> = self.key.iter().map(|(name, value)| ((*name).to_owned(), value.clone().into())).collect();
        serde_json::json!({
            "attack": self.attack.name(), "key": key,
            "first": time::rfc3339(self.first), "last": time::rfc3339(self.last), "events": self.events,
        })
    }
}

/// Puts the lines of an attack on the stage.
pub(super) fn plant(stage: &mut Stage, attack: Attack, start: i64, length: i64) -> Planted {
    let (key, mut told) = scene::play(stage, attack, start, length);
    told.sort_unstable();
    let exact = match attack.origin() {
        Origin::Auth if stage.timestamps == super::Timestamps::Classic => SECOND,
        Origin::Auth => 1,
        Origin::Web => SECOND,
        Origin::Ot | Origin::App => 1000,
    };
    let shown = |time: i64| time - time.rem_euclid(exact);
    let (first, last) = (told.first().map_or(start, |t| t.0), told.last().copied().unwrap_or((start, 0)));
    Planted { attack, key, first: shown(first), last: shown(last.0), events: told.len() as u64, place: last }
}
