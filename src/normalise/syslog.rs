//! Any syslog line → ECS: the envelope, then whatever the program's own file knows of its message.

use super::{accounts, pam, ssh, sudo, switch_user, web};
use crate::event::{BatchBuilder, field};
use crate::parse::access;
use crate::parse::scan::uint;
use crate::parse::syslog::{Envelope, LEVELS};

/// Fills the row. `message` is the envelope's, or the one repeated inside it.
pub fn normalise(envelope: &Envelope<'_>, message: &str, out: &mut BatchBuilder) {
    if let Some(host) = envelope.host {
        out.set_text(field::HOST_NAME, host);
    }
    if let Some(priority) = envelope.priority {
        set_priority(priority, out);
    }
    if let Some(process) = envelope.process {
        let set = uint(process).is_some_and(|pid| out.set_number(field::PROCESS_PID, pid.into()));
        if !set {
            out.set_extra("process.pid", process);
        }
    }
    if let Some(id) = envelope.message_id {
        out.set_extra("log.syslog.msgid", id);
    }
    if !envelope.structured.is_empty() {
        set_structured(envelope, out);
    }
    let Some(program) = envelope.program else {
        out.set_word(field::EVENT_DATASET, "system.syslog");
        return;
    };
    out.set_text(field::PROCESS_NAME, program);
    let dataset = of_program(program, envelope.module, message, out);
    out.set_word(field::EVENT_DATASET, dataset);
}

fn set_priority(priority: u8, out: &mut BatchBuilder) {
    let severity = priority % 8;
    out.set_number(field::LOG_SYSLOG_PRIORITY, priority.into());
    out.set_number(field::LOG_SYSLOG_FACILITY, (priority / 8).into());
    out.set_number(field::EVENT_SEVERITY, severity.into());
    out.set_word(field::LOG_LEVEL, LEVELS[usize::from(severity)]);
}

fn set_structured(envelope: &Envelope<'_>, out: &mut BatchBuilder) {
    let mut name = String::new();
    envelope.elements(|element, parameter, value| {
        name.clear();
        name.extend([element, ".", parameter]);
        out.set_extra(&name, &value);
    });
}

/// Hands the message to the program's file; gives the dataset it belongs to.
fn of_program(program: &str, module: Option<&str>, message: &str, out: &mut BatchBuilder) -> &'static str {
    const AUTH: &str = "system.auth";
    const OTHER: &str = "system.syslog";
    if module.is_some() {
        pam::normalise(program, message, out);
        return AUTH;
    }
    if message.starts_with("pam_") && pam::with_module(message, out) {
        return AUTH;
    }
    match program {
        "sshd" | "sshd-session" | "sshd-auth" => ssh::normalise(message, out),
        "sudo" => sudo::normalise(message, out),
        "su" | "su-l" => switch_user::normalise(message, out),
        "useradd" | "usermod" | "userdel" | "groupadd" | "groupmod" | "groupdel" | "gpasswd" | "passwd"
        | "chpasswd" | "chage" | "adduser" | "newusers" => accounts::normalise(program, message, out),
        "login" | "systemd-logind" | "polkitd" | "chfn" | "chsh" => {}
        // Web servers can send their access log to syslog.
        "nginx" | "httpd" | "apache2" | "apache" => match access::parse(message) {
            Some(access) => {
                web::normalise(&access, out);
                return if program == "nginx" { "nginx.access" } else { "apache.access" };
            }
            None => return OTHER,
        },
        _ => return OTHER,
    }
    AUTH
}
