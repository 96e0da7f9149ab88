//! A service under `loopscope run`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::command::loopscope;

const PROGRAM: &str = "tests/drill/programs/shop.py";

/// A service, which ends with this.
pub(crate) struct Service {
    pub(crate) supervisor: Child,
    /// Where Loopscope answers.
    pub(crate) health: String,
    port: u16,
    stderr: Arc<Mutex<String>>,
    _folder: TempDir,
}

impl Service {
    /// Starts it with these options of `run`.
    pub(crate) fn start(python: &Path, kind: &str, options: &[&str]) -> Self {
        let folder = TempDir::new().unwrap();
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join(PROGRAM);
        // A folder whose sockets have no room in an address.
        let runtime = folder.path().join("r".repeat(100));
        let mut command = loopscope();
        command
            .args(["run", "--listen", "127.0.0.1:0", "--service", "shop"])
            .args(options)
            .arg("--")
            .arg(python)
            .arg(program)
            .arg(kind)
            .env("LOOPSCOPE_RUNTIME_DIR", runtime)
            // Of another run, left over: it allows nothing.
            .env("LOOPSCOPE_ALLOW_DRILL", "1f:100:5000::1")
            // Less of what only takes time.
            .env("LOOPSCOPE_BLOCKED_THRESHOLD_MS", "1500")
            .env("LOOPSCOPE_SLOW_CALL_THRESHOLD_MS", "500")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut supervisor = command.spawn().unwrap();
        let mut said = BufReader::new(supervisor.stderr.take().unwrap()).lines();
        let health = said.find_map(|line| {
            let line = line.unwrap();
            let (_, rest) = line.split_once("listening on ")?;
            Some(rest.trim().to_owned())
        });
        let stderr = Arc::<Mutex<String>>::default();
        let theirs = Arc::clone(&stderr);
        std::thread::spawn(move || {
            for line in said.map_while(Result::ok) {
                let mut kept = theirs.lock().unwrap();
                kept.push_str(&line);
                kept.push('\n');
            }
        });
        let mut port = String::new();
        let mut stdout = BufReader::new(supervisor.stdout.take().unwrap());
        stdout.read_line(&mut port).unwrap();
        Self {
            health: health.unwrap(),
            port: port
                .trim()
                .parse()
                .unwrap_or_else(|_| panic!("{}", stderr.lock().unwrap())),
            supervisor,
            stderr,
            _folder: folder,
        }
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
    }

    /// The number of the process that serves.
    pub(crate) fn pid(&self) -> u32 {
        self.get("/state")["pid"]
            .as_u64()
            .unwrap()
            .try_into()
            .unwrap()
    }

    /// What it and its supervisor said.
    pub(crate) fn stderr(&self) -> String {
        self.stderr.lock().unwrap().clone()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Passed on to the service; failing means that it has ended, which is what is wanted.
        let _ = kill_process(Pid::from_child(&self.supervisor), Signal::TERM);
        let _ = self.supervisor.wait();
    }
}
