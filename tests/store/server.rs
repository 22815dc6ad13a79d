//! A server that speaks S3 on loopback, and a line to it that can be cut or slow; gone when dropped.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::program::weir;
use crate::run::PATIENCE;

pub(super) struct Store {
    server: Child,
    direct: String,
    line: Arc<Line>,
    address: SocketAddr,
}

/// What lies between weir and the server.
#[derive(Default)]
struct Line {
    cut: AtomicBool,
    /// Waited after each piece that goes to the server, ms.
    slow: AtomicU64,
    open: Mutex<Vec<TcpStream>>,
}

impl Store {
    /// With an empty bucket `logs`.
    pub(super) fn start() -> Store {
        let command = Command::new("moto_server").args(["-H", "127.0.0.1", "-p", "0"]).stderr(Stdio::piped()).spawn();
        let mut server = command.unwrap_or_else(|error| {
            panic!(
                "the tests of object stores need the server of moto 5.2 or later, pip install 'moto[server]': {error}"
            )
        });
        let mut lines = BufReader::new(server.stderr.take().expect("it is piped")).lines();
        let direct = loop {
            let line = lines.next().expect("the server says where it listens").expect("it is text");
            if let Some(at) = line.find("http://") {
                break line[at..].trim().to_owned();
            }
        };
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        let line = Arc::new(Line::default());
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("it has an address");
        let (through, target) = (line.clone(), direct.trim_start_matches("http://").to_owned());
        std::thread::spawn(move || listener.incoming().flatten().for_each(|stream| through.join(stream, &target)));
        let store = Store { server, direct, line, address };
        ureq::put(format!("{}/logs", store.direct)).send_empty().expect("it makes a bucket");
        store
    }

    /// A weir that has an account there.
    pub(super) fn weir(&self) -> Command {
        let mut command = weir();
        for name in ["AWS_SESSION_TOKEN", "AWS_PROFILE", "http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"] {
            command.env_remove(name);
        }
        command.env("AWS_ENDPOINT_URL", format!("http://{}", self.address)).env("AWS_REGION", "us-east-1");
        command.env("AWS_ACCESS_KEY_ID", "key").env("AWS_SECRET_ACCESS_KEY", "secret");
        command
    }

    pub(super) fn run(&self, arguments: &[&str]) -> Output {
        self.weir().args(arguments).output().expect("the binary starts")
    }

    /// From now on nobody gets through.
    pub(super) fn cut(&self) {
        self.line.cut.store(true, Ordering::SeqCst);
        for stream in self.line.open.lock().expect("no thread panicked").drain(..) {
            drop(stream.shutdown(Shutdown::Both));
        }
    }

    pub(super) fn mend(&self) {
        self.line.cut.store(false, Ordering::SeqCst);
    }

    /// Waits so many ms after every 8 KiB.
    pub(super) fn slow(&self, ms: u64) {
        self.line.slow.store(ms, Ordering::SeqCst);
    }

    /// Nobody has an account there any more.
    pub(super) fn lock_out(&self) {
        ureq::post(format!("{}/moto-api/reset-auth", self.direct)).send("0").expect("it locks");
    }

    /// Keys of all objects.
    pub(super) fn keys(&self) -> Vec<String> {
        let mut answer = ureq::get(format!("{}/logs?list-type=2", self.direct)).call().expect("it lists");
        let text = answer.body_mut().read_to_string().expect("text");
        text.split("<Key>").skip(1).filter_map(|t| Some(t.split_once("</Key>")?.0.to_owned())).collect()
    }

    /// Parquet files there, whether they count or not.
    pub(super) fn parquet(&self) -> usize {
        self.keys().iter().filter(|key| key.ends_with(".parquet")).count()
    }

    /// The index at a prefix, if there is one.
    pub(super) fn index(&self, prefix: &str) -> Option<Value> {
        // Whoever says who he is may read; the server does not look closer.
        let account =
            "AWS4-HMAC-SHA256 Credential=key/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0";
        let asked = ureq::get(format!("{}/logs/{prefix}/index.json", self.direct)).header("authorization", account);
        let mut answer = asked.call().ok()?;
        Some(serde_json::from_str(&answer.body_mut().read_to_string().expect("text")).expect("JSON"))
    }

    /// How many files the index at a prefix names.
    pub(super) fn indexed(&self, prefix: &str) -> usize {
        self.index(prefix).map_or(0, |index| index["objects"].as_object().expect("objects").len())
    }
}

/// Waits until something is so.
pub(super) fn wait(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < PATIENCE, "waited for {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

impl Line {
    fn join(self: &Arc<Line>, client: TcpStream, target: &str) {
        let server = TcpStream::connect(target);
        let (false, Ok(server)) = (self.cut.load(Ordering::SeqCst), server) else { return };
        let twin = |stream: &TcpStream| stream.try_clone().expect("a handle");
        self.open.lock().expect("no thread panicked").extend([twin(&client), twin(&server)]);
        let (line, from, to) = (self.clone(), twin(&client), twin(&server));
        std::thread::spawn(move || line.pass(from, to, true));
        let line = self.clone();
        std::thread::spawn(move || line.pass(server, client, false));
    }

    fn pass(&self, mut from: TcpStream, mut to: TcpStream, up: bool) {
        let mut piece = [0; 8 << 10];
        while let Ok(length @ 1..) = from.read(&mut piece) {
            if to.write_all(&piece[..length]).is_err() {
                break;
            }
            let slow = self.slow.load(Ordering::SeqCst);
            if up && slow > 0 {
                std::thread::sleep(Duration::from_millis(slow));
            }
        }
        drop((from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both)));
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        drop(self.server.kill());
        drop(self.server.wait());
    }
}
