//! A day's authentication log: sshd, PAM, sudo, su, cron, accounts. In: chance. Out: lines on the stage.

use super::Origin::Auth;
use super::stage::{PEOPLE, Stage, desk, number};
use crate::event::time::SECOND;

/// Two slips of one person are further apart than this, so that no count of failures takes a person for an attack.
const SLIP: i64 = 200 * SECOND;

const COMMANDS: [&str; 12] = [
    "/usr/bin/systemctl restart nginx",
    "/usr/bin/systemctl status postgresql",
    "/usr/bin/apt-get update",
    "/usr/bin/apt-get -y upgrade",
    "/usr/bin/journalctl -u nginx --since today",
    "/usr/bin/docker ps",
    "/usr/bin/tail -n 200 /var/log/syslog",
    "/usr/sbin/nginx -t",
    "/usr/bin/certbot renew",
    "/usr/bin/rsync -a /srv/files/ /backup/files/",
    "/usr/bin/lsof -i",
    "/usr/bin/df -h",
];

const JOBS: [&str; 5] = ["root", "root", "www-data", "postgres", "backup"];

const GUESSED: [&str; 10] = ["admin", "test", "ubuntu", "pi", "git", "user", "ftp", "minecraft", "hadoop", "support"];

/// Who slipped when.
pub(super) struct Author {
    slips: [i64; PEOPLE.len()],
}

impl Author {
    pub(super) fn new() -> Author {
        Author { slips: [i64::MIN / 2; PEOPLE.len()] }
    }

    /// Something ordinary happens at `time`.
    pub(super) fn act(&mut self, stage: &mut Stage, time: i64) {
        match stage.random.below(100) {
            0..45 => self.login(stage, time),
            45..68 => cron(stage, time),
            68..84 => sudo(stage, time),
            84..95 => knock(stage, time),
            95..97 => su(stage, time),
            97..99 => service(stage, time),
            _ => account(stage, time),
        }
    }

    fn login(&mut self, stage: &mut Stage, time: i64) {
        let (who, host) = (stage.person(), stage.host());
        let slip = stage.random.permille(60) && time - self.slips[who] > SLIP;
        if slip {
            self.slips[who] = time;
            let (pid, port) = (stage.pid(), stage.port());
            pam_failure(stage, time, host, pid, PEOPLE[who], &desk(who));
            failed(stage, time + SECOND, host, pid, PEOPLE[who], &desk(who), port);
            accepted(stage, time + 6 * SECOND, host, PEOPLE[who], 1000 + who as u64, &desk(who), "password");
        } else {
            accepted(stage, time, host, PEOPLE[who], 1000 + who as u64, &desk(who), "publickey");
        }
    }
}

/// Writes a message under syslog's head; where it stands in the order of lines.
pub(super) fn say(
    stage: &mut Stage,
    time: i64,
    host: &str,
    (program, pid): (&str, u64),
    message: &[&str],
) -> (i64, u64) {
    let mut line = stage.syslog(time, host, program, pid);
    message.iter().for_each(|part| line.push_str(part));
    stage.write(time, Auth, line)
}

/// The lines of a login that succeeds, and those of its end.
pub(super) fn accepted(
    stage: &mut Stage,
    time: i64,
    host: &str,
    user: &str,
    uid: u64,
    address: &str,
    method: &str,
) -> (i64, u64) {
    let (pid, port, session) = (stage.pid(), stage.port().to_string(), stage.session().to_string());
    let sshd = ("sshd", pid);
    let key = key(method, uid);
    let place = say(
        stage,
        time,
        host,
        sshd,
        &["Accepted ", method, " for ", user, " from ", address, " port ", &port, " ssh2", &key],
    );
    let mut opened = stage.syslog(time + 40_000, host, "sshd", pid);
    opened.push_str("pam_unix(sshd:session): session opened for user ");
    opened.push_str(user);
    opened.push_str("(uid=");
    number(&mut opened, uid);
    opened.push_str(") by (uid=0)");
    stage.write(time + 40_000, Auth, opened);
    let logind = ("systemd-logind", 612);
    say(stage, time + 70_000, host, logind, &["New session ", &session, " of user ", user, "."]);
    let end = time + SECOND + stage.random.between(0, stage.linger);
    say(stage, end, host, sshd, &["Received disconnect from ", address, " port ", &port, ":11: disconnected by user"]);
    say(stage, end + 1000, host, sshd, &["Disconnected from user ", user, " ", address, " port ", &port]);
    say(stage, end + 4000, host, sshd, &["pam_unix(sshd:session): session closed for user ", user]);
    say(stage, end + 9000, host, logind, &["Session ", &session, " logged out. Waiting for processes to exit."]);
    say(stage, end + 12_000, host, logind, &["Removed session ", &session, "."]);
    place
}

/// `: ED25519 SHA256:…` after a login by key.
fn key(method: &str, uid: u64) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    if method != "publickey" {
        return String::new();
    }
    let mut own = super::random::Random(uid);
    let mut text = String::from(": ED25519 SHA256:");
    (0..43).for_each(|_| text.push(char::from(DIGITS[own.below(64) as usize])));
    text
}

/// sshd's line of a wrong password.
pub(super) fn failed(
    stage: &mut Stage,
    time: i64,
    host: &str,
    pid: u64,
    user: &str,
    address: &str,
    port: u64,
) -> (i64, u64) {
    let who = if is_account(user) { "" } else { "invalid user " };
    let mut line = stage.syslog(time, host, "sshd", pid);
    for part in ["Failed password for ", who, user, " from ", address, " port "] {
        line.push_str(part);
    }
    number(&mut line, port);
    line.push_str(" ssh2");
    stage.write(time, Auth, line)
}

/// PAM's line of the same attempt.
pub(super) fn pam_failure(stage: &mut Stage, time: i64, host: &str, pid: u64, user: &str, address: &str) {
    let tail = if is_account(user) { [" user=", user] } else { ["", ""] };
    let head = "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=";
    say(stage, time, host, ("sshd", pid), &[head, address, " ", tail[0], tail[1]]);
}

fn is_account(user: &str) -> bool {
    user == "root" || PEOPLE.contains(&user)
}

fn cron(stage: &mut Stage, time: i64) {
    let (host, pid, user) = (stage.host(), stage.pid(), stage.random.pick(&JOBS));
    let uid = if user == "root" { "0" } else { "33" };
    let cron = ("CRON", pid);
    say(
        stage,
        time,
        host,
        cron,
        &["pam_unix(cron:session): session opened for user ", user, "(uid=", uid, ") by (uid=0)"],
    );
    let end = time + stage.random.between(SECOND / 2, 3 * SECOND);
    say(stage, end, host, cron, &["pam_unix(cron:session): session closed for user ", user]);
}

fn sudo(stage: &mut Stage, time: i64) {
    let (who, host, command) = (stage.person(), stage.host(), stage.random.pick(&COMMANDS));
    let tty = stage.random.below(4).to_string();
    let user = PEOPLE[who];
    let home = ["    ", user, " : TTY=pts/", &tty, " ; PWD=/home/", user, " ; USER=root ; COMMAND=", command];
    say(stage, time, host, ("sudo", 0), &home);
    let uid = (1000 + who).to_string();
    let opened = ["pam_unix(sudo:session): session opened for user root(uid=0) by ", user, "(uid=", &uid, ")"];
    say(stage, time + 5000, host, ("sudo", 0), &opened);
    let end = time + stage.random.between(SECOND, 20 * SECOND);
    say(stage, end, host, ("sudo", 0), &["pam_unix(sudo:session): session closed for user root"]);
}

/// The internet's background noise: somebody tries one name and goes.
fn knock(stage: &mut Stage, time: i64) {
    let (address, port, host, pid) = (stage.passer_by(), stage.port(), stage.host(), stage.pid());
    let text = port.to_string();
    let sshd = ("sshd", pid);
    if stage.random.permille(400) {
        say(stage, time, host, sshd, &["Connection closed by ", &address, " port ", &text, " [preauth]"]);
        return;
    }
    let user = stage.random.pick(&GUESSED);
    say(stage, time, host, sshd, &["Invalid user ", user, " from ", &address, " port ", &text]);
    if stage.random.permille(600) {
        say(stage, time + 300_000, host, sshd, &["pam_unix(sshd:auth): check pass; user unknown"]);
        pam_failure(stage, time + 310_000, host, pid, user, &address);
        failed(stage, time + 2 * SECOND, host, pid, user, &address, port);
    }
    let end = time + 3 * SECOND;
    say(
        stage,
        end,
        host,
        sshd,
        &["Connection closed by invalid user ", user, " ", &address, " port ", &text, " [preauth]"],
    );
}

fn su(stage: &mut Stage, time: i64) {
    let (who, host, pid) = (stage.person(), stage.host(), stage.pid());
    let (user, uid) = (PEOPLE[who], (1000 + who).to_string());
    let su = ("su", pid);
    say(stage, time, host, su, &["(to postgres) ", user, " on pts/1"]);
    let opened = ["pam_unix(su:session): session opened for user postgres(uid=113) by ", user, "(uid=", &uid, ")"];
    say(stage, time + 3000, host, su, &opened);
    let end = time + SECOND + stage.random.between(0, stage.linger);
    say(stage, end, host, su, &["pam_unix(su:session): session closed for user postgres"]);
}

fn service(stage: &mut Stage, time: i64) {
    let host = stage.host();
    let unit = stage.random.pick(&["apt-daily.service", "logrotate.service", "fstrim.service", "man-db.service"]);
    say(stage, time, host, ("systemd", 1), &["Starting ", unit, "..."]);
    say(stage, time + 2 * SECOND, host, ("systemd", 1), &[unit, ": Deactivated successfully."]);
}

/// An account of a service, which nobody logs in with.
fn account(stage: &mut Stage, time: i64) {
    let (host, pid) = (stage.host(), stage.pid());
    let name = stage.random.pick(&["svc-metrics", "svc-deploy", "svc-queue", "svc-mirror"]);
    let number = (900 + stage.random.below(90)).to_string();
    say(stage, time, host, ("groupadd", pid), &["new group: name=", name, ", GID=", &number]);
    let made = [
        "new user: name=",
        name,
        ", UID=",
        &number,
        ", GID=",
        &number,
        ", home=/nonexistent, shell=/usr/sbin/nologin, from=none",
    ];
    say(stage, time + 90_000, host, ("useradd", pid + 1), &made);
}
