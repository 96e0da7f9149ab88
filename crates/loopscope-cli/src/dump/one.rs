//! One process: attach, dump, join; or say why not, with what the kernel still tells.

use std::sync::Arc;

use loopscope_engine::Config;
use loopscope_engine::dump::{self, DumpFailure, DumpReport};
use loopscope_inspect::{Dump, DumpError, DumpMode, Inspector, SourceLines};

use super::refusal::Refusal;
use super::surroundings::{self, Status, gather};

/// Attempts where the process runs another program meanwhile.
const MAX_ATTEMPTS: usize = 3;

/// Reads a process. The report is there for whatever could be read; none for a process that is not there.
pub(super) fn read(pid: u32, mode: DumpMode) -> (Option<DumpReport>, Option<Refusal>) {
    let status = match Status::read(&pid.to_string()) {
        None => return (None, Some(Refusal::no_process(pid))),
        Some(status) if status.thread_group != pid => {
            return (None, Some(Refusal::thread(pid, status.thread_group)));
        }
        Some(status) if status.has_ended() => return (None, Some(Refusal::ended(pid))),
        Some(status) => status,
    };
    let process = surroundings::process(pid, &status);
    match take(pid, mode) {
        Ok(dump) => (Some(joined(&dump, process)), None),
        Err(refused) => {
            let refusal = refused.explained(pid, &status);
            let failure = DumpFailure {
                message: refusal.message.clone(),
                hint: refusal.hint.clone(),
            };
            let report = refusal
                .is_there()
                .then(|| dump::unread(&gather(process, None), failure));
            (report, Some(refusal))
        }
    }
}

/// Why a process could not be read.
pub(super) enum Refused {
    Attach(loopscope_inspect::AttachError),
    Dump(DumpError),
}

impl Refused {
    fn explained(self, pid: u32, status: &Status) -> Refusal {
        match self {
            Self::Attach(error) => Refusal::of_attach(pid, &error, status),
            Self::Dump(error) => Refusal::of_dump(pid, &error, status),
        }
    }
}

fn take(pid: u32, mode: DumpMode) -> Result<Dump, Refused> {
    let mut attempt = 1;
    loop {
        let mut inspector = Inspector::attach(pid).map_err(Refused::Attach)?;
        match inspector.dump(mode) {
            Ok(dump) => return Ok(dump),
            Err(DumpError::Replaced { .. }) if attempt < MAX_ATTEMPTS => attempt += 1,
            Err(error) => return Err(Refused::Dump(error)),
        }
    }
}

fn joined(found: &Dump, process: loopscope_engine::dump::DumpProcess) -> DumpReport {
    let mut sources = SourceLines::new(found.pid);
    let around = gather(process, Some(found.taken_nanos));
    dump::report(found, &around, &Config::default(), &mut |file, line| {
        called(&mut sources, file, line)
    })
}

/// What is awaited does not block.
fn called(sources: &mut SourceLines, file: &str, line: u32) -> Vec<Arc<str>> {
    let calls = sources.calls_on_line(file, line).into_iter();
    calls
        .filter(|call| !call.is_awaited)
        .map(|call| call.name)
        .collect()
}
