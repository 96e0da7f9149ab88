//! The sample service that is drilled where no target is named: started by this very program as anybody would start
//! theirs, so that a drill of it proves the whole installation.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use loopscope_recorder::environment;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::refusal::Refusal;
use crate::exit_codes::UNAVAILABLE;
use crate::health::target::{self, Target};
use crate::python;

const PROGRAM: &str = include_str!("sample.py");

/// Growth is judged so many times as fast as usual: memory's trend of ten minutes takes twenty seconds then.
const PACE: &str = "30";

/// A service that takes longer to start does not start.
const STARTS_WITHIN: Duration = Duration::from_secs(20);

/// One that takes longer to end is killed.
const ENDS_WITHIN: Duration = Duration::from_secs(10);

/// The sample service under `loopscope run`. It ends with this, and when this process ends in whatever way.
pub(super) struct Sample {
    supervisor: Child,
    said: Receiver<String>,
    _folder: TempDir,
}

impl Sample {
    /// Starts it; returns where its supervisor answers.
    pub(super) fn start() -> Result<(Self, Target), Refusal> {
        let python = python::find()
            .map_err(|missing| Refusal::new(UNAVAILABLE, missing.what, missing.hint))?;
        let folder = tempfile::Builder::new()
            .prefix("loopscope-drill-")
            .tempdir()
            .map_err(|error| unprepared(&error))?;
        let program = folder.path().join("sample.py");
        fs::write(&program, PROGRAM).map_err(|error| unprepared(&error))?;
        let own = std::env::current_exe().map_err(|error| unprepared(&error))?;
        let mut supervisor = Command::new(own)
            .args(["run", "--allow-drill", "--trend-pace", PACE])
            .args(["--listen", "127.0.0.1:0", "--service", "drill-sample", "--"])
            .arg(&python.path)
            .arg(&program)
            // Meant for services of one's own.
            .env_remove("LOOPSCOPE_POSTGRES")
            .env_remove(environment::UNTRACKED)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            // Ctrl-C is ours to take: faults are undone before the service ends.
            .process_group(0)
            .spawn()
            .map_err(|error| unprepared(&error))?;
        let (tell, said) = channel();
        if let Some(stderr) = supervisor.stderr.take() {
            let read = move || {
                // Read to its end, or its writer would wait.
                for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                    let _ = tell.send(line);
                }
            };
            let reading = thread::Builder::new()
                .name("loopscope-sample".into())
                .spawn(read);
            reading.map_err(|error| unprepared(&error))?;
        }
        let sample = Self {
            supervisor,
            said,
            _folder: folder,
        };
        let url = sample.endpoint()?;
        Ok((sample, url))
    }

    /// Waits for the line that says where the supervisor answers.
    fn endpoint(&self) -> Result<Target, Refusal> {
        let until = Instant::now() + STARTS_WITHIN;
        let mut said = String::new();
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            let Ok(line) = self.said.recv_timeout(left) else {
                break;
            };
            let place = line.split_once("listening on ").map(|(_, place)| place);
            if let Some(url) = place.and_then(|place| target::parse(place.trim()).ok()) {
                return Ok(url);
            }
            said = line;
        }
        Err(Refusal::new(
            UNAVAILABLE,
            format!("the sample service did not start: {said}"),
            "see what `loopscope run --allow-drill -- python3 -c 'import asyncio'` says",
        ))
    }
}

impl Drop for Sample {
    fn drop(&mut self) {
        // Where it has ended there is nobody to tell.
        let _ = kill_process(Pid::from_child(&self.supervisor), Signal::TERM);
        drop(self.supervisor.stdin.take());
        let until = Instant::now() + ENDS_WITHIN;
        while Instant::now() < until {
            if !matches!(self.supervisor.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
        let _ = self.supervisor.kill();
        let _ = self.supervisor.wait();
    }
}

fn unprepared(error: &std::io::Error) -> Refusal {
    Refusal::new(
        UNAVAILABLE,
        format!("cannot start the sample service ({error})"),
        "set TMPDIR to a folder of yours, and check the limit on processes with `ulimit -u`",
    )
}
