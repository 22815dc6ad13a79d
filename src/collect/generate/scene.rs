//! How each attack looks in the logs. In: a start and a length. Out: lines on the stage, and which of them tell.

use super::attack::Attack;
use super::stage::{PEOPLE, Stage};
use super::web::Hit;
use super::{app, auth, ot, web};

/// An attack while it is written down.
struct Scene<'a> {
    stage: &'a mut Stage,
    start: i64,
    length: i64,
    /// Times and places of the telling events.
    told: Vec<(i64, u64)>,
}

impl Scene<'_> {
    /// The time of step `n` of `of`: evenly spread, a little unsteady.
    fn at(&mut self, n: u64, of: u64) -> i64 {
        let gap = self.length / of.max(1) as i64;
        self.start + gap * n as i64 + self.stage.random.between(0, gap / 3 + 1)
    }

    fn tell(&mut self, place: (i64, u64)) {
        self.told.push(place);
    }
}

/// Whom an alert should name, by field.
pub(super) type Key = Vec<(&'static str, String)>;

/// Puts the lines of an attack on the stage: whom to name, and the times and places of the telling lines.
pub(super) fn play(stage: &mut Stage, attack: Attack, start: i64, length: i64) -> (Key, Vec<(i64, u64)>) {
    let mut scene = Scene { stage, start, length: length.max(1), told: Vec::new() };
    let key = match attack {
        Attack::SshBruteforce => ssh_bruteforce(&mut scene),
        Attack::BruteforceSuccess => bruteforce_success(&mut scene),
        Attack::PasswordSpray => password_spray(&mut scene),
        Attack::NewUserLogin => new_user_login(&mut scene),
        Attack::SudoAbuse => sudo_abuse(&mut scene),
        Attack::RootLogin => root_login(&mut scene),
        Attack::WebScanner => web_scanner(&mut scene),
        Attack::SqlInjection => requests(&mut scene, &SQL, "sqlmap/1.8.11#stable (https://sqlmap.org)"),
        Attack::PathTraversal => requests(&mut scene, &TRAVERSALS, "curl/8.11.0"),
        Attack::ServerErrors => server_errors(&mut scene),
        Attack::PlcTakeover => plc_takeover(&mut scene),
        Attack::SensorDrift => sensor_drift(&mut scene),
        Attack::PortalBruteforce => portal_bruteforce(&mut scene),
    };
    (key, scene.told)
}

fn fail(scene: &mut Scene<'_>, at: i64, host: &str, user: &str, address: &str) {
    let (pid, port) = (scene.stage.pid(), scene.stage.port());
    auth::pam_failure(scene.stage, at - 1_500_000.min(at - scene.start), host, pid, user, address);
    let place = auth::failed(scene.stage, at, host, pid, user, address, port);
    scene.tell(place);
}

fn ssh_bruteforce(scene: &mut Scene<'_>) -> Key {
    const USERS: [&str; 8] = ["root", "root", "admin", "root", "oracle", "test", "ubuntu", "postgres"];
    let (address, host) = (scene.stage.attacker(), scene.stage.host());
    let times = 14 + scene.stage.random.below(16);
    for n in 0..times {
        let (at, user) = (scene.at(n, times), scene.stage.random.pick(&USERS));
        fail(scene, at, host, user, &address);
    }
    vec![("source.ip", address)]
}

fn bruteforce_success(scene: &mut Scene<'_>) -> Key {
    let (address, host) = (scene.stage.attacker(), scene.stage.host());
    let who = scene.stage.person();
    for n in 0..6 {
        let at = scene.at(n, 7);
        fail(scene, at, host, PEOPLE[who], &address);
    }
    let at = scene.at(6, 7);
    let place = auth::accepted(scene.stage, at, host, PEOPLE[who], 1000 + who as u64, &address, "password");
    scene.tell(place);
    vec![("source.ip", address), ("user.name", PEOPLE[who].to_owned())]
}

fn password_spray(scene: &mut Scene<'_>) -> Key {
    let (address, host) = (scene.stage.attacker(), scene.stage.host());
    for n in 0..24 {
        let at = scene.at(n, 24);
        fail(scene, at, host, PEOPLE[n as usize], &address);
    }
    vec![("source.ip", address)]
}

fn new_user_login(scene: &mut Scene<'_>) -> Key {
    const NAMES: [&str; 5] = ["sysadm2", "backup2", "helpdesk", "nagios2", "support1"];
    let (address, host, pid) = (scene.stage.attacker(), scene.stage.host(), scene.stage.pid());
    let name = format!("{}{}", scene.stage.random.pick(&NAMES), scene.stage.random.below(90));
    let uid = 1100 + scene.stage.random.below(800);
    let number = uid.to_string();
    let start = scene.at(0, 4);
    let made = [
        "new user: name=",
        &name,
        ", UID=",
        &number,
        ", GID=",
        &number,
        ", home=/home/",
        &name,
        ", shell=/bin/bash, from=/dev/pts/2",
    ];
    let place = auth::say(scene.stage, start, host, ("useradd", pid), &made);
    scene.tell(place);
    let at = scene.at(1, 4);
    let changed = ["pam_unix(passwd:chauthtok): password changed for ", &name];
    auth::say(scene.stage, at, host, ("passwd", pid + 3), &changed);
    let at = scene.at(2, 4);
    auth::say(scene.stage, at, host, ("usermod", pid + 7), &["add '", &name, "' to group 'sudo'"]);
    let at = scene.at(3, 4);
    let place = auth::accepted(scene.stage, at, host, &name, uid, &address, "password");
    scene.tell(place);
    vec![("user.name", name), ("source.ip", address)]
}

fn sudo_abuse(scene: &mut Scene<'_>) -> Key {
    const WANTED: [&str; 6] = [
        "/usr/bin/cat /etc/shadow",
        "/usr/bin/su -",
        "/bin/bash",
        "/usr/sbin/visudo",
        "/usr/bin/passwd root",
        "/usr/bin/truncate -s 0 /var/log/auth.log",
    ];
    let (who, host) = (scene.stage.person(), scene.stage.host());
    let (user, uid) = (PEOPLE[who], (1000 + who).to_string());
    for n in 0..7 {
        let (at, command) = (scene.at(n, 7), WANTED[n as usize % WANTED.len()]);
        let pam = [
            "pam_unix(sudo:auth): authentication failure; logname=",
            user,
            " uid=",
            &uid,
            " euid=0 tty=/dev/pts/3 ruser=",
            user,
            " rhost=  user=",
            user,
        ];
        auth::say(scene.stage, at, host, ("sudo", 0), &pam);
        let why = if n % 2 == 0 { "user NOT in sudoers" } else { "3 incorrect password attempts" };
        let denied = ["    ", user, " : ", why, " ; TTY=pts/3 ; PWD=/home/", user, " ; USER=root ; COMMAND=", command];
        let place = auth::say(scene.stage, at + 20_000, host, ("sudo", 0), &denied);
        scene.tell(place);
    }
    vec![("user.name", user.to_owned()), ("host.name", host.to_owned())]
}

fn root_login(scene: &mut Scene<'_>) -> Key {
    let (address, host) = (scene.stage.attacker(), scene.stage.host());
    let place = auth::accepted(scene.stage, scene.start, host, "root", 0, &address, "password");
    scene.tell(place);
    vec![("source.ip", address), ("host.name", host.to_owned())]
}

fn web_scanner(scene: &mut Scene<'_>) -> Key {
    const NAMES: [&str; 15] = [
        "/wp-login.php",
        "/.env",
        "/.git/config",
        "/phpmyadmin/index.php",
        "/administrator/",
        "/backup.zip",
        "/config.php.bak",
        "/server-status",
        "/actuator/env",
        "/solr/admin/",
        "/cgi-bin/test.cgi",
        "/manager/html",
        "/xmlrpc.php",
        "/old/",
        "/test.php",
    ];
    let address = scene.stage.attacker();
    for n in 0..60 {
        let path = match n as usize {
            known if known < NAMES.len() => NAMES[known].to_owned(),
            other => format!("/{}-{other}.php", scene.stage.random.pick(&["admin", "shell", "db", "upload", "tmp"])),
        };
        let agent = "Mozilla/5.00 (Nikto/2.5.0) (Evasions:None) (Test:Port Check)";
        let status = if n % 9 == 8 { 403 } else { 404 };
        let at = scene.at(n, 60);
        let probe = Hit { address: &address, request: ["GET", &path], status, bytes: 153, referrer: "-", agent };
        let place = web::hit(scene.stage, at, &probe);
        scene.tell(place);
    }
    vec![("source.ip", address)]
}

const SQL: [&str; 8] = [
    "/products?id=42%27%20OR%20%271%27=%271",
    "/products?id=42+UNION+SELECT+username,password+FROM+users--",
    "/search?q=%27;+DROP+TABLE+orders;--",
    "/products?id=42%20AND%20SLEEP(5)",
    "/products?id=-1%20UNION%20ALL%20SELECT%20NULL,NULL,version()",
    "/search?q=1%27%20AND%201=1--%20",
    "/products?id=42;SELECT+pg_sleep(5)",
    "/search?q=x%27%20OR%20EXTRACTVALUE(1,CONCAT(0x7e,database()))--",
];

const TRAVERSALS: [&str; 8] = [
    "/download?file=../../../../etc/passwd",
    "/static/..%2f..%2f..%2fetc%2fpasswd",
    "/cgi-bin/.%2e/.%2e/.%2e/.%2e/bin/sh",
    "/download?file=....//....//....//etc/shadow",
    "/images/..%252f..%252f..%252fetc%252fpasswd",
    "/download?file=..%5c..%5cwindows%5cwin.ini",
    "/static/../../../../proc/self/environ",
    "/download?file=/var/www/../../etc/hosts",
];

fn requests(scene: &mut Scene<'_>, paths: &[&str], agent: &str) -> Key {
    let address = scene.stage.attacker();
    for (n, path) in paths.iter().enumerate() {
        let at = scene.at(n as u64, paths.len() as u64);
        let request = Hit { address: &address, request: ["GET", path], status: 400, bytes: 173, referrer: "-", agent };
        let place = web::hit(scene.stage, at, &request);
        scene.tell(place);
    }
    vec![("source.ip", address)]
}

fn server_errors(scene: &mut Scene<'_>) -> Key {
    for n in 0..60 {
        let at = scene.at(n, 60);
        let address = scene.stage.passer_by();
        let status = [500, 502, 503][scene.stage.random.below(3) as usize];
        let (request, agent) = (["POST", "/api/checkout"], web::BROWSERS[n as usize % 6]);
        let broken =
            Hit { address: &address, request, status, bytes: 157, referrer: "https://shop.example/cart", agent };
        let place = web::hit(scene.stage, at, &broken);
        scene.tell(place);
    }
    vec![("url.path", "/api/checkout".to_owned())]
}

fn plc_takeover(scene: &mut Scene<'_>) -> Key {
    const STEPS: [(&str, &str); 4] = [
        ("plc_mode_change", ",\"from\":\"run\",\"to\":\"program\""),
        ("program_download", ",\"program\":\"OB1\",\"bytes\":18432,\"signed\":false"),
        ("register_write", ",\"network.protocol\":\"modbus\",\"register\":40001,\"value\":65535"),
        ("plc_mode_change", ",\"from\":\"program\",\"to\":\"run\""),
    ];
    let (plc, zone) = ot::PLCS[scene.stage.random.below(ot::PLCS.len() as u64) as usize];
    let address = format!("10.30.7.{}", 60 + scene.stage.random.below(100));
    for (n, (action, rest)) in STEPS.into_iter().enumerate() {
        let at = scene.at(n as u64, 4);
        let (device, actor) = ([plc, "plc", zone], Some([address.as_str(), "guest"]));
        let event = ot::Event { category: "host", kind: "change", action, outcome: "success", device, actor, rest };
        let place = ot::report(scene.stage, at, &event);
        scene.tell(place);
    }
    vec![("device.id", plc.to_owned()), ("source.ip", address)]
}

fn sensor_drift(scene: &mut Scene<'_>) -> Key {
    let sensor = &ot::SENSORS[scene.stage.random.below(ot::SENSORS.len() as u64) as usize];
    let span = sensor.max - sensor.min;
    for n in 0..20 {
        let at = scene.at(n, 20);
        // From the upper fifth of its range to a third beyond it.
        let value = sensor.max - span / 10 + span * n as i64 / 45;
        let place = ot::reading(scene.stage, at, sensor, value);
        if value > sensor.max {
            scene.tell(place);
        }
    }
    vec![("device.id", sensor.id.to_owned())]
}

fn portal_bruteforce(scene: &mut Scene<'_>) -> Key {
    let address = scene.stage.attacker();
    let user = PEOPLE[scene.stage.person()];
    for n in 0..20 {
        let at = scene.at(n, 20);
        let (category, action, message) = ("authentication", "login", "sign-in refused: wrong password");
        let event = app::Event { category, action, outcome: "failure", user, address: &address, message };
        let place = app::report(scene.stage, at, &event);
        scene.tell(place);
    }
    vec![("source.ip", address)]
}
