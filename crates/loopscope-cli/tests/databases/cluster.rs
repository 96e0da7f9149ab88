//! A PostgreSQL of the tests' own: in a folder that goes when they end, on a free port of 127.0.0.1.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::unistd::{Uid, User};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

const HINT: &str = "hint: apt-get install postgresql";

/// A server that runs. Dropping it ends it and removes its folder.
pub(crate) struct Cluster {
    server: Child,
    pub(crate) port: u16,
    folder: TempDir,
}

impl Cluster {
    /// Starts one. `None`, and said, where there is no PostgreSQL or no user to run it.
    pub(crate) fn start() -> Option<Self> {
        let Some(programs) = programs() else {
            say(&format!("SKIPPED: no PostgreSQL here\n{HINT}"));
            return None;
        };
        let Some(user) = user() else {
            say(
                "SKIPPED: PostgreSQL refuses root, and there is neither a user postgres nor nobody",
            );
            return None;
        };
        Some(Self::of(&programs, &user))
    }

    fn of(programs: &Path, user: &User) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("ls-pg-")
            .permissions(fs::Permissions::from_mode(0o755))
            .tempdir()
            .unwrap();
        own(folder.path(), user);
        let data = folder.path().join("data");
        let mut init = as_user(&programs.join("initdb"), user);
        init.args([
            "-U",
            "tester",
            "-A",
            "trust",
            "-N",
            "-E",
            "UTF8",
            "--no-locale",
            "-D",
        ]);
        let made = init.arg(&data).current_dir(folder.path()).output().unwrap();
        assert!(made.status.success(), "{made:?}");
        let port = free_port();
        let mut command = as_user(&programs.join("postgres"), user);
        command.arg("-D").arg(&data).current_dir(folder.path());
        for (name, value) in [
            ("listen_addresses", "127.0.0.1"),
            ("port", &port.to_string()),
            (
                "unix_socket_directories",
                &folder.path().display().to_string(),
            ),
            ("fsync", "off"),
            ("shared_buffers", "16MB"),
            ("max_connections", "40"),
        ] {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        let server = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut cluster = Self {
            server,
            port,
            folder,
        };
        cluster.wait_until_ready();
        cluster
    }

    /// A folder for files of the tests.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The server says so itself. What it says later is read on, so that it never has to wait.
    fn wait_until_ready(&mut self) {
        let said = BufReader::new(self.server.stderr.take().unwrap());
        let mut lines = said.lines().map_while(Result::ok);
        let mut before = Vec::new();
        loop {
            let Some(line) = lines.next() else {
                panic!("PostgreSQL did not start: {before:#?}");
            };
            if line.contains("ready to accept connections") {
                break;
            }
            before.push(line);
        }
        std::thread::spawn(move || lines.for_each(drop));
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Its fast shutdown, which ends the servers of connections too.
        let _ = kill_process(Pid::from_child(&self.server), Signal::INT);
        let _ = self.server.wait();
    }
}

/// The newest version's folder of programs.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut found: Vec<(u32, PathBuf)> = versions
        .flatten()
        .filter_map(|version| {
            let number = version.file_name().to_str()?.parse().ok()?;
            let programs = version.path().join("bin");
            programs
                .join("initdb")
                .exists()
                .then_some((number, programs))
        })
        .collect();
    found.sort();
    found.pop().map(|(_, programs)| programs)
}

/// Who runs it: whoever runs the tests, or where that is root, a user without rights.
fn user() -> Option<User> {
    let current = User::from_uid(Uid::current()).ok().flatten()?;
    if !current.uid.is_root() {
        return Some(current);
    }
    let known = |name| User::from_name(name).ok().flatten();
    known("postgres").or_else(|| known("nobody"))
}

fn own(folder: &Path, user: &User) {
    if Uid::current().is_root() {
        chown(folder, Some(user.uid.as_raw()), Some(user.gid.as_raw())).unwrap();
    }
}

fn as_user(program: &Path, user: &User) -> Command {
    let mut command = Command::new(program);
    if Uid::current().is_root() {
        command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
    }
    command.stdin(Stdio::null()).env_remove("LD_PRELOAD");
    command
}

fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().port()
}

fn say(what: &str) {
    // Past the capture of tests, which would hide it.
    let _ = writeln!(std::io::stderr(), "{what}");
}
