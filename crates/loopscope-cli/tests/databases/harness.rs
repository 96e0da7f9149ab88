//! Runs programs under the real `loopscope`, and asks it how they are doing.

#[path = "../support/listed.rs"]
mod listed;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use loopscope_engine::report::{CallHealth, DatabaseHealth, Incident, IncidentKind, Report};
use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;

use crate::cluster::Cluster;
use listed::listed_pythons;

/// What no statement's literal, parameter or password may do: get out.
pub(crate) const SECRET: &str = "SECRET";

/// Every interpreter to test with, with the packages that the tests need.
pub(crate) fn pythons() -> Vec<PathBuf> {
    let listed = listed_pythons();
    if listed.is_empty() {
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: no interpreter with drivers\nhint: `cargo xtask test` prepares them"
        );
    }
    listed
}

/// A program of this folder with its arguments, for this cluster.
fn program(python: &Path, name: &str, driver: &str, cluster: &Cluster) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/databases/programs");
    let of_cluster = [
        ("DB_HOST", "127.0.0.1".to_owned()),
        ("DB_PORT", cluster.port.to_string()),
        ("DB_FOLDER", cluster.folder().display().to_string()),
        ("PYTHONDONTWRITEBYTECODE", "1".to_owned()),
    ];
    let words = [
        ("", python.display().to_string()),
        ("", folder.join(name).display().to_string()),
        ("", driver.to_owned()),
    ];
    let all = words.into_iter().chain(of_cluster);
    all.map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Runs a program without Loopscope.
pub(crate) fn bare(python: &Path, name: &str, driver: &str, cluster: &Cluster) -> Output {
    let told = program(python, name, driver, cluster);
    let mut words = told.iter().filter(|(name, _)| name.is_empty());
    let mut command = Command::new(&words.next().unwrap().1);
    command.args(words.map(|(_, word)| word));
    let variables = told.iter().filter(|(name, _)| !name.is_empty());
    command.envs(variables.map(|(name, value)| (name, value)));
    command.output().unwrap()
}

/// A program that runs watched. Dropping it kills it and all that it started.
pub(crate) struct Watched {
    supervisor: Child,
    lines: Box<dyn Iterator<Item = String>>,
    address: SocketAddr,
    folder: TempDir,
    stderr: Option<JoinHandle<String>>,
}

/// What is left of a program that was watched.
pub(crate) struct Ended {
    pub(crate) stdout: Vec<String>,
    pub(crate) stderr: String,
    pub(crate) code: Option<i32>,
    pub(crate) report: Report,
}

impl Watched {
    pub(crate) fn start(python: &Path, name: &str, driver: &str, cluster: &Cluster) -> Self {
        Self::with(&[], python, name, driver, cluster)
    }

    /// The same, and a server is asked.
    pub(crate) fn asking(
        python: &Path,
        name: &str,
        driver: &str,
        cluster: &Cluster,
        url: &str,
    ) -> Self {
        Self::with(&["--postgres", url], python, name, driver, cluster)
    }

    fn with(options: &[&str], python: &Path, name: &str, driver: &str, cluster: &Cluster) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let told = program(python, name, driver, cluster);
        let words = told.iter().filter(|(name, _)| name.is_empty());
        let variables = told.iter().filter(|(name, _)| !name.is_empty());
        let mut supervisor = Command::new(env!("CARGO_BIN_EXE_loopscope"))
            .args(["run", "--listen", "127.0.0.1:0", "--report"])
            .arg(folder.path().join("report.json"))
            .args(options)
            .arg("--")
            .args(words.map(|(_, word)| word))
            .envs(variables.map(|(name, value)| (name, value)))
            .env("LOOPSCOPE_RUNTIME_DIR", folder.path().join("runtime"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let stdout = BufReader::new(supervisor.stdout.take().unwrap());
        let mut stderr = BufReader::new(supervisor.stderr.take().unwrap());
        let (address, said) = listening(&mut stderr);
        let rest = thread::spawn(move || {
            let mut all = said;
            let _ = stderr.read_to_string(&mut all);
            all
        });
        Self {
            supervisor,
            lines: Box::new(stdout.lines().map_while(Result::ok)),
            address,
            folder,
            stderr: Some(rest),
        }
    }

    /// Reads what the program says until it says this; false where it ends before.
    pub(crate) fn until(&mut self, line: &str) -> bool {
        self.lines.any(|said| said == line)
    }

    /// Reads what the program says until a line begins so.
    pub(crate) fn line_of(&mut self, begin: &str) -> Option<String> {
        self.lines.find(|said| said.starts_with(begin))
    }

    /// Lets the program go on.
    pub(crate) fn go_on(&mut self) {
        let stdin = self.supervisor.stdin.as_mut();
        stdin.unwrap().write_all(b"\n").unwrap();
    }

    /// What `/health` says now.
    pub(crate) fn health(&self) -> Report {
        let patience = Duration::from_secs(10);
        let mut stream = TcpStream::connect_timeout(&self.address, patience).unwrap();
        stream.set_read_timeout(Some(patience)).unwrap();
        let head = format!("Host: {}\r\nConnection: close", self.address);
        write!(stream, "GET /health HTTP/1.1\r\n{head}\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str(body).unwrap()
    }

    /// Whether any file that the program's recordings are in holds these bytes.
    pub(crate) fn recorded(&self, text: &str) -> bool {
        let recordings =
            loopscope_recorder::folder::recordings_in(&self.folder.path().join("runtime"));
        assert!(!recordings.is_empty(), "there is a recording while it runs");
        recordings.iter().any(|path| {
            let bytes = fs::read(path).unwrap();
            bytes
                .windows(text.len())
                .any(|part| part == text.as_bytes())
        })
    }

    /// Waits for its end.
    pub(crate) fn finish(mut self) -> Ended {
        drop(self.supervisor.stdin.take());
        let stdout: Vec<String> = self.lines.by_ref().collect();
        let status = self.supervisor.wait().unwrap();
        let stderr = self.stderr.take().unwrap().join().unwrap();
        let text = fs::read_to_string(self.folder.path().join("report.json")).unwrap();
        assert!(
            !text.contains(SECRET),
            "a secret got into the report:\n{text}"
        );
        assert!(!stderr.contains(SECRET), "a secret was said:\n{stderr}");
        Ended {
            stdout,
            stderr,
            code: status.code(),
            report: serde_json::from_str(&text).unwrap(),
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // Failing means that nobody of the group is left, which is what is wanted.
        let _ = kill_process_group(Pid::from_child(&self.supervisor), Signal::KILL);
        let _ = self.supervisor.wait();
    }
}

/// Reads until the supervisor says where it listens.
fn listening(stderr: &mut impl BufRead) -> (SocketAddr, String) {
    let mut said = String::new();
    loop {
        let mut line = String::new();
        assert_ne!(stderr.read_line(&mut line).unwrap(), 0, "{said}");
        said.push_str(&line);
        let address = line.split_once("http://").and_then(|(_, rest)| {
            let end = rest.find(|c: char| c == '/' || c.is_whitespace());
            rest[..end.unwrap_or(rest.len())].parse().ok()
        });
        if let Some(address) = address {
            return (address, said);
        }
    }
}

impl Ended {
    pub(crate) fn database(&self) -> &DatabaseHealth {
        let database = &self.report.detailed_health.database;
        database.as_ref().unwrap()
    }

    /// The one call with this name.
    pub(crate) fn call(&self, name: &str) -> &CallHealth {
        let calls = self.report.detailed_health.calls.as_ref().unwrap();
        let found: Vec<_> = calls.iter().filter(|call| call.name == name).collect();
        assert_eq!(found.len(), 1, "calls of {name} in {calls:#?}");
        found[0]
    }

    pub(crate) fn incidents(&self, kind: IncidentKind) -> Vec<&Incident> {
        let incidents = self.report.incidents.iter();
        incidents.filter(|incident| incident.kind == kind).collect()
    }
}
