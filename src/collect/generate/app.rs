//! A customer portal that logs JSON with nested ECS names. In: chance. Out: lines on the stage.

use super::Origin::App;
use super::stage::{PEOPLE, Stage, number};
use crate::event::time::SECOND;

/// Two mistyped passwords of one customer are further apart than this.
const SLIP: i64 = 200 * SECOND;

/// One event of the portal.
pub(super) struct Event<'a> {
    pub(super) category: &'a str,
    pub(super) action: &'a str,
    pub(super) outcome: &'a str,
    pub(super) user: &'a str,
    pub(super) address: &'a str,
    pub(super) message: &'a str,
}

/// Writes an event as a JSON line.
pub(super) fn report(stage: &mut Stage, time: i64, event: &Event<'_>) -> (i64, u64) {
    let mut line = String::with_capacity(380);
    line.push_str("{\"@timestamp\":\"");
    stage.instant(&mut line, time);
    let level = if event.outcome == "success" { "info" } else { "warn" };
    for part in [
        "\",\"ecs\":{\"version\":\"8.11.0\"},\"log\":{\"level\":\"",
        level,
        "\"},\"event\":{\"kind\":\"event\",\"category\":[\"",
        event.category,
        "\"],\"type\":[\"info\"],\"action\":\"",
        event.action,
        "\",\"outcome\":\"",
        event.outcome,
        "\",\"dataset\":\"portal.audit\"},\"service\":{\"name\":\"portal\"},\"host\":{\"name\":\"app-01\"},\"user\":{\"name\":\"",
        event.user,
        "\"},\"source\":{\"ip\":\"",
        event.address,
        "\",\"port\":",
    ] {
        line.push_str(part);
    }
    number(&mut line, stage.port());
    for part in ["},\"message\":\"", event.message, "\"}"] {
        line.push_str(part);
    }
    stage.write(time, App, line)
}

/// Who mistyped a password when.
pub(super) struct Author {
    slips: [i64; PEOPLE.len()],
}

impl Author {
    pub(super) fn new() -> Author {
        Author { slips: [i64::MIN / 2; PEOPLE.len()] }
    }

    /// Something ordinary happens at `time`.
    pub(super) fn act(&mut self, stage: &mut Stage, time: i64) {
        let who = stage.person();
        let address = format!("100.120.{}.{}", who / 8, 10 + who);
        let event = |category, action, outcome, message| Event {
            category,
            action,
            outcome,
            user: PEOPLE[who],
            address: &address,
            message,
        };
        let fails = event("authentication", "login", "failure", "sign-in refused: wrong password");
        let enters = event("authentication", "login", "success", "signed in");
        let views = event("web", "view_invoice", "success", "invoice viewed");
        let exports = event("database", "export_report", "success", "report exported");
        let leaves = event("authentication", "logout", "success", "signed out");
        let mut at = time;
        if stage.random.permille(50) && time - self.slips[who] > SLIP {
            self.slips[who] = time;
            report(stage, at, &fails);
            at += 5 * SECOND;
        }
        report(stage, at, &enters);
        let end = SECOND + stage.random.between(0, stage.linger);
        for step in 1..=stage.random.between(1, 5) {
            let what = if stage.random.permille(150) { &exports } else { &views };
            report(stage, at + end * step / 6, what);
        }
        report(stage, at + end, &leaves);
    }
}
