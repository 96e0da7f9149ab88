//! Why a process cannot be read, in one sentence, with the exact next command.

use std::path::Path;

use loopscope_inspect::{AttachError, DumpError};

use super::namespaces;
use super::permission;
use super::surroundings::{Status, process_of};
use crate::exit_codes::{NO_PROCESS, NOT_PERMITTED, UNAVAILABLE};
use crate::screen::Text;

/// A process that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// What happened.
    pub(super) message: String,
    /// The next command.
    pub(super) hint: String,
    /// The exit code.
    pub(super) code: u8,
    /// It runs something other than Python.
    pub(super) is_other_program: bool,
}

impl Refusal {
    fn new(code: u8, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: hint.into(),
            code,
            is_other_program: false,
        }
    }

    /// There is no process of this id here.
    pub(super) fn no_process(pid: u32) -> Self {
        let hint = match namespaces::known_inside_as(pid).as_slice() {
            [] => "see which there are with `loopscope dump --all`".to_owned(),
            [one] => format!(
                "inside its container process {one} has this id; from here: `loopscope dump {one}`"
            ),
            many => format!(
                "inside their containers these processes have this id; one of them: {}",
                many.iter()
                    .map(|pid| format!("`loopscope dump {pid}`"))
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
        };
        Self::new(NO_PROCESS, format!("no such process: {pid}"), hint)
    }

    /// The id is a thread's.
    pub(super) fn thread(tid: u32, pid: u32) -> Self {
        Self::new(
            NO_PROCESS,
            format!("{tid} is a thread of process {pid}"),
            format!("`loopscope dump {pid}` shows all of its threads"),
        )
    }

    /// The process has ended and its parent has not collected it.
    pub(super) fn ended(pid: u32) -> Self {
        Self::new(
            NO_PROCESS,
            format!("the process has ended and only waits to be collected by its parent: {pid}"),
            format!("if it ran under `loopscope run`, see `loopscope postmortem {pid}`"),
        )
    }

    fn gone(pid: u32) -> Self {
        Self::new(
            NO_PROCESS,
            format!("the process ended meanwhile: {pid}"),
            format!("if it ran under `loopscope run`, see `loopscope postmortem {pid}`"),
        )
    }

    fn denied(pid: u32, status: &Status) -> Self {
        let (why, hint) = permission::explain(pid, status);
        Self::new(
            NOT_PERMITTED,
            format!("permission to read process {pid} refused: {why}"),
            hint,
        )
    }

    /// Attaching failed.
    pub(super) fn of_attach(pid: u32, error: &AttachError, status: &Status) -> Self {
        match error {
            AttachError::NoProcess { .. } => Self::gone(pid),
            AttachError::Denied { .. } => Self::denied(pid, status),
            other => Self {
                is_other_program: matches!(other, AttachError::NotPython { .. }),
                ..Self::new(UNAVAILABLE, with_source(other), attach_hint(pid, other))
            },
        }
    }

    /// The dump failed.
    pub(super) fn of_dump(pid: u32, error: &DumpError, status: &Status) -> Self {
        match error {
            DumpError::Gone { .. } => Self::gone(pid),
            DumpError::Denied { .. } => Self::denied(pid, status),
            DumpError::StopDenied { .. } => Self::new(
                NOT_PERMITTED,
                error.to_string(),
                format!("read it while it runs: `loopscope dump {pid} --mode live`"),
            ),
            DumpError::Traced { tracer, .. } => Self::new(
                UNAVAILABLE,
                traced(pid, process_of(*tracer)),
                format!("read it while it runs: `loopscope dump {pid} --mode live`"),
            ),
            DumpError::NoSnapshot { .. } => Self::new(
                UNAVAILABLE,
                with_source(error),
                format!("stop it for the reading instead: `loopscope dump {pid} --mode stop`"),
            ),
            DumpError::Replaced { .. } => Self::new(
                UNAVAILABLE,
                "the process runs another program by now, again and again".to_owned(),
                format!("try again in a moment: `loopscope dump {pid}`"),
            ),
            other => Self::new(
                UNAVAILABLE,
                with_source(other),
                format!("read it while it runs: `loopscope dump {pid} --mode live`"),
            ),
        }
    }

    /// Whether the process is there, so that the kernel still has something to say of it.
    pub(super) fn is_there(&self) -> bool {
        self.code != NO_PROCESS
    }

    /// Says it on standard error.
    pub(super) fn complain(&self) {
        say(&format!(
            "error: {}\nhint: {}\n",
            Text::new(&self.message),
            Text::new(&self.hint)
        ));
    }

    /// Says it on one line, of one process among many.
    pub(super) fn complain_of(&self, name: &str) {
        say(&format!(
            "error: {}: {}; hint: {}\n",
            Text::new(name),
            Text::new(&self.message),
            Text::new(&self.hint)
        ));
    }
}

/// An error with what it comes from.
fn with_source(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error} ({source})"),
        None => error.to_string(),
    }
}

/// Says something on standard error.
pub(super) fn say(text: &str) {
    use std::io::Write;
    // Without a standard error there is nobody left to tell.
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

fn attach_hint(pid: u32, error: &AttachError) -> String {
    match error {
        AttachError::NotPython { .. } => format!(
            "its threads are shown as the kernel knows them; see what it is with `ps -fp {pid}`"
        ),
        AttachError::OtherInterpreter { .. } => format!(
            "its threads are shown as the kernel knows them; run it on CPython to see its tasks, or \
             watch its loops from the next start with `{}`",
            watched(pid)
        ),
        AttachError::UnsupportedMachine { .. } | AttachError::NoSymbols { .. } => format!(
            "use a 64-bit x86 build of Python whose symbols are not all stripped; its native stacks: \
             `gdb -p {pid} -batch -ex 'thread apply all bt'`"
        ),
        AttachError::FreeThreaded { .. } => format!(
            "its threads are shown as the kernel knows them; use the default build of Python, or its \
             native stacks: `gdb -p {pid} -batch -ex 'thread apply all bt'`"
        ),
        AttachError::NotUp { .. } | AttachError::UnexpectedLayout { .. } => {
            format!("if it is just starting or ending, try again: `loopscope dump {pid}`")
        }
        other => other.hint().map_or_else(
            || format!("see what it is with `ps -fp {pid}`"),
            str::to_owned,
        ),
    }
}

/// The command that starts the same program watched.
fn watched(pid: u32) -> String {
    let words = super::surroundings::command_line(pid);
    match words.first() {
        Some(program) => format!("loopscope run -- {} …", base(program)),
        None => "loopscope run -- COMMAND".to_owned(),
    }
}

/// The tracer is said to the kernel by its thread.
fn traced(pid: u32, tracer: u32) -> String {
    format!(
        "process {pid} is traced by process {tracer} ({})",
        program(tracer)
    )
}

fn program(pid: u32) -> String {
    let words = super::surroundings::command_line(pid);
    words
        .first()
        .map_or_else(|| "unknown".to_owned(), |program| base(program).to_owned())
}

fn base(path: &str) -> &str {
    Path::new(path)
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use loopscope_inspect::{PythonVersion, ReadError};

    use super::*;

    const PID: u32 = 4242;

    #[track_caller]
    fn check(refusal: &Refusal, code: u8) {
        let Refusal { message, hint, .. } = refusal;
        assert_eq!(refusal.code, code, "{message}");
        assert!(
            !message.contains('\n') && !message.ends_with('.'),
            "{message}"
        );
        let is_command = hint.matches('`').count() >= 2 && hint.contains("4242");
        assert!(is_command || hint.contains("Python"), "{message}: {hint}");
    }

    #[test]
    fn whatever_cannot_be_attached_to_has_a_next_step() {
        let program = || "/opt/app/bin/tool".into();
        let version = PythonVersion {
            major: 3,
            minor: 13,
            patch: 1,
        };
        let source = ReadError::Unexpected {
            expected: "a type",
            address: 7,
        };
        for (error, code) in [
            (AttachError::NoProcess { pid: PID }, NO_PROCESS),
            (AttachError::NotPython { program: program() }, UNAVAILABLE),
            (
                AttachError::OtherInterpreter { program: program() },
                UNAVAILABLE,
            ),
            (
                AttachError::UnsupportedMachine { program: program() },
                UNAVAILABLE,
            ),
            (AttachError::UnsupportedVersion { version }, UNAVAILABLE),
            (AttachError::FreeThreaded { version }, UNAVAILABLE),
            (AttachError::NoSymbols { program: program() }, UNAVAILABLE),
            (AttachError::NotUp { pid: PID }, UNAVAILABLE),
            (
                AttachError::UnexpectedLayout { version, source },
                UNAVAILABLE,
            ),
        ] {
            check(&Refusal::of_attach(PID, &error, &Status::default()), code);
        }
    }

    #[test]
    fn whatever_cannot_be_stopped_names_the_mode_that_does_without() {
        let denied = std::io::Error::from_raw_os_error(1);
        for (error, code) in [
            (DumpError::StopDenied { pid: PID }, NOT_PERMITTED),
            (
                DumpError::Traced {
                    pid: PID,
                    tracer: std::process::id(),
                },
                UNAVAILABLE,
            ),
            (
                DumpError::NotStopped {
                    pid: PID,
                    source: denied,
                },
                UNAVAILABLE,
            ),
        ] {
            let refusal = Refusal::of_dump(PID, &error, &Status::default());
            check(&refusal, code);
            assert!(refusal.hint.contains("--mode live"), "{}", refusal.hint);
        }
    }
}
