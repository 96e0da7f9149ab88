//! A program under measurement, bare or watched; killed with all its descendants when dropped.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};

use super::Setting;

/// A running program and the reading end of its stdout.
pub(crate) struct Running {
    child: Child,
    stdout: BufReader<ChildStdout>,
    /// Where `/health` is, if it was asked for.
    pub(crate) health: Option<SocketAddr>,
}

impl Running {
    /// Starts it without Loopscope, to be asked.
    pub(crate) fn asked(command: &[String]) -> Result<Self> {
        Self::start(command, Stdio::piped(), Stdio::null())
    }

    /// Starts it watched, with no `/health`, to be asked.
    pub(crate) fn watched(setting: &Setting, command: &[String]) -> Result<Self> {
        Self::start(
            &under(setting, "off", command),
            Stdio::piped(),
            Stdio::null(),
        )
    }

    /// Starts it watched and waits until `/health` is served.
    pub(crate) fn served(setting: &Setting, command: &[String]) -> Result<Self> {
        let command = under(setting, "127.0.0.1:0", command);
        let mut running = Self::start(&command, Stdio::null(), Stdio::piped())?;
        let stderr = running.child.stderr.take().context("stderr is piped")?;
        let mut lines = BufReader::new(stderr).lines().map_while(|line| line.ok());
        let address = lines.by_ref().find_map(|line| listening_address(&line));
        running.health = Some(address.context("the supervisor did not say where it listens")?);
        // Findings keep coming; nobody reading them would fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(running)
    }

    /// Starts a Python program that watches itself, by the package in this folder; `words` are those of
    /// `bench/installed.py`.
    pub(crate) fn installed(command: &[String], package: &Path, words: &[&str]) -> Result<Self> {
        let (python, program) = command.split_first().context("a command is not empty")?;
        let wrapper = crate::root().join("bench/installed.py");
        let path = format!("PYTHONPATH={}", package.display());
        let mut installed = vec!["env".into(), path, python.clone()];
        installed.push(wrapper.display().to_string());
        installed.extend(words.iter().map(|word| (*word).to_owned()));
        installed.extend_from_slice(program);
        Self::start(&installed, Stdio::piped(), Stdio::null())
    }

    fn start(command: &[String], stdin: Stdio, stderr: Stdio) -> Result<Self> {
        let (program, arguments) = command.split_first().context("a command is not empty")?;
        // Some of the others write where they are started.
        let folder = traces();
        std::fs::create_dir_all(&folder)?;
        let mut child = Command::new(program)
            .args(arguments)
            .current_dir(&folder)
            .env("LOOPSCOPE_RUNTIME_DIR", recordings())
            .env("BENCH_FOLDER", &folder)
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(stderr)
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {program}"))?;
        let stdout = BufReader::new(child.stdout.take().context("stdout is piped")?);
        Ok(Self {
            child,
            stdout,
            health: None,
        })
    }

    /// The next line of its stdout.
    pub(crate) fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.stdout.read_line(&mut line)? == 0 {
            bail!("the program ended: {:?}", self.child.wait()?);
        }
        Ok(line.trim_end().to_owned())
    }

    /// Gives it an empty line, and waits for what it says then.
    pub(crate) fn ask(&mut self) -> Result<String> {
        let stdin = self.child.stdin.as_mut().context("it can be asked")?;
        stdin.write_all(b"\n")?;
        self.line()
    }

    /// The pid of what was started: the supervisor where it is watched.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Failing means that nobody of the group is left.
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        let _ = self.child.wait();
    }
}

/// Where the recordings of this benchmark go: in memory as they do by default, but apart from others,
/// since killed programs leave them behind.
pub(crate) fn recordings() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    let parent = if memory.is_dir() {
        memory
    } else {
        std::env::temp_dir()
    };
    parent.join(format!("loopscope-bench-{}", std::process::id()))
}

/// Where others write what they record.
pub(crate) fn traces() -> PathBuf {
    recordings().with_extension("traces")
}

fn under(setting: &Setting, listen: &str, command: &[String]) -> Vec<String> {
    let mut watched = vec![setting.loopscope.display().to_string()];
    watched.extend(["run", "--listen", listen, "--"].map(String::from));
    watched.extend_from_slice(command);
    watched
}

fn listening_address(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once("listening on http://")?;
    rest.split(|c: char| c == '/' || c.is_whitespace())
        .next()?
        .parse()
        .ok()
}

/// Processor time that a process has used, in seconds.
pub(crate) fn cpu_seconds(pid: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, fields) = stat.rsplit_once(')').context("stat names the command")?;
    let ticks = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(str::parse::<f64>);
    let ticks: f64 = ticks.collect::<Result<Vec<_>, _>>()?.iter().sum();
    Ok(ticks / rustix::param::clock_ticks_per_second() as f64)
}

/// Time that a process's first thread has been running for, in seconds, to the nanosecond.
pub(crate) fn busy_seconds(pid: u32) -> Result<f64> {
    ran_seconds(Path::new(&format!("/proc/{pid}")))
}

/// That of all threads that it has now.
pub(crate) fn busy_seconds_of_all(pid: u32) -> Result<f64> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task"))?;
    threads.map(|thread| ran_seconds(&thread?.path())).sum()
}

fn ran_seconds(folder: &Path) -> Result<f64> {
    let path = folder.join("schedstat");
    let stat = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let nanos = stat.split_whitespace().next().context("it has a figure")?;
    Ok(nanos.parse::<f64>()? / 1e9)
}

/// Resident memory of a process in MiB.
pub(crate) fn rss_mib(pid: u32) -> Result<f64> {
    let statm = std::fs::read_to_string(format!("/proc/{pid}/statm"))?;
    let pages: f64 = statm
        .split_whitespace()
        .nth(1)
        .context("statm has pages")?
        .parse()?;
    Ok(pages * rustix::param::page_size() as f64 / (1024.0 * 1024.0))
}
