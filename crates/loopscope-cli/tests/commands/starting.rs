//! What keeps a program from starting, what does not, and what is said of it.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use rustix::fs::OFlags;

use crate::loopscope;

/// Exit code, stdout and stderr.
fn told(command: &mut Command) -> (Option<i32>, String, String) {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

#[test]
fn an_environment_that_is_empty_or_makes_no_sense_keeps_no_program_from_starting() {
    let runtime = tempfile::tempdir().unwrap();
    for name in [
        "LOOPSCOPE_TOKEN",
        "LOOPSCOPE_LISTEN",
        "LOOPSCOPE_SERVICE",
        "LOOPSCOPE_STALL_THRESHOLD_MS",
        "LOOPSCOPE_BLOCKED_THRESHOLD_MS",
    ] {
        for (value, is_told) in [("", false), ("no good", name != "LOOPSCOPE_SERVICE")] {
            let mut command = loopscope(&runtime.path().join("rt"));
            command
                .args(["run", "--", "echo", "started"])
                .env(name, value);
            let (code, printed, said) = told(&mut command);
            assert_eq!((code, printed.as_str()), (Some(0), "started\n"), "{said}");
            let is_named = said.contains(&format!("{name} is left out"));
            assert_eq!(is_named, is_told, "{name}={value}: {said}");
        }
    }
}

/// A pipe that is full and that nobody reads, as a terminal that was held with Ctrl-S.
fn full_pipe() -> (std::io::PipeReader, std::io::PipeWriter) {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let before = rustix::fs::fcntl_getfl(&writer).unwrap();
    rustix::fs::fcntl_setfl(&writer, before | OFlags::NONBLOCK).unwrap();
    while writer.write(&[b'.'; 4096]).is_ok() {}
    while writer.write(b".").is_ok() {}
    rustix::fs::fcntl_setfl(&writer, before).unwrap();
    (reader, writer)
}

#[test]
fn a_stderr_that_nobody_reads_holds_up_neither_the_program_nor_its_exit_code() {
    let runtime = tempfile::tempdir().unwrap();
    let (_unread, stderr) = full_pipe();
    let mut command = loopscope(&runtime.path().join("rt"));
    command.args(["run", "--listen", "127.0.0.1:0", "--", "sh", "-c", "exit 7"]);
    let status = command.stderr(stderr).status().unwrap();
    assert_eq!(status.code(), Some(7));
}

#[test]
fn a_mistyped_option_is_a_usage_error_and_no_program() {
    let runtime = tempfile::tempdir().unwrap();
    let mut command = loopscope(&runtime.path().join("rt"));
    let (code, _, said) = told(command.args(["run", "--lisen", "foo", "--", "true"]));
    assert_eq!(code, Some(64), "{said}");
    assert!(said.contains("'--listen'"), "{said}");
}

#[test]
fn an_address_of_no_database_server_is_refused_without_being_repeated() {
    let runtime = tempfile::tempdir().unwrap();
    let address = "mysql://ann:SECRET@localhost/bots";
    for by_environment in [false, true] {
        let mut command = loopscope(&runtime.path().join("rt"));
        command.arg("run");
        if by_environment {
            command.env("LOOPSCOPE_POSTGRES", address);
        } else {
            command.args(["--postgres", address]);
        }
        let (code, printed, said) =
            told(command.args(["--listen", "off", "--", "echo", "started"]));
        assert!(
            said.contains("postgresql://USER:PASSWORD@HOST:5432/DATABASE"),
            "{said}"
        );
        assert!(!said.contains("SECRET"), "{said}");
        // What is left over in an environment keeps no program from starting.
        let expected = if by_environment {
            (Some(0), "started\n")
        } else {
            (Some(64), "")
        };
        assert_eq!((code, printed.as_str()), expected, "{said}");
    }
}

#[test]
fn a_script_that_names_no_interpreter_cannot_be_executed() {
    let runtime = tempfile::tempdir().unwrap();
    let script = runtime.path().join("script");
    fs::write(&script, "echo hello\n").unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = loopscope(&runtime.path().join("rt"));
    let (code, _, said) = told(command.args(["run", "--listen", "off", "--"]).arg(&script));
    assert_eq!(code, Some(126), "{said}");
    assert!(said.contains("hint: begin a script with `#!`"), "{said}");
}

#[test]
fn a_pipe_in_the_place_of_a_program_is_refused_at_once() {
    let runtime = tempfile::tempdir().unwrap();
    let pipe = runtime.path().join("pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, 0o700.into()).unwrap();
    let mut command = loopscope(&runtime.path().join("rt"));
    let (code, _, said) = told(command.args(["run", "--listen", "off", "--"]).arg(&pipe));
    assert_eq!(code, Some(126), "{said}");
}

#[test]
fn a_recordings_folder_that_cannot_be_used_is_told_and_replaced() {
    let runtime = tempfile::tempdir().unwrap();
    let open = runtime.path().join("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
    let mut command = loopscope(&open);
    let (code, _, said) = told(command.args(["run", "--listen", "off", "--", "true"]));
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("LOOPSCOPE_RUNTIME_DIR is left out"), "{said}");
}

#[test]
fn the_target_keeps_its_own_limit_on_open_files() {
    let runtime = tempfile::tempdir().unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -Sn 64; exec \"$@\"", "sh"]);
    command.arg(env!("CARGO_BIN_EXE_loopscope"));
    command.args(["run", "--listen", "off", "--", "sh", "-c"]);
    command.arg(
        "ulimit -Sn; while [ \"$(grep -c 'open files *64 ' /proc/$PPID/limits)\" = 1 ]; do :; done",
    );
    command.env("LOOPSCOPE_RUNTIME_DIR", runtime.path().join("rt"));
    let (code, printed, said) = told(&mut command);
    assert_eq!((code, printed.as_str()), (Some(0), "64\n"), "{said}");
}

/// Its child's loop lives on, with the streams closed so that nobody waits for it.
const LEAVES_A_CHILD: &str = "
import asyncio, os, sys
ready, told = os.pipe()
pid = os.fork()
if pid == 0:
    nowhere = os.open('/dev/null', os.O_RDWR)
    for stream in range(3):
        os.dup2(nowhere, stream)
    async def live():
        os.write(told, b'!')
        await asyncio.sleep(600)
    asyncio.run(live())
os.read(ready, 1)
async def wait():
    await asyncio.sleep(1)
asyncio.run(wait())
print(pid)
";

#[test]
fn descendants_that_live_on_are_told_of_at_the_end() {
    let runtime = tempfile::tempdir().unwrap();
    let mut command = loopscope(&runtime.path().join("rt"));
    command.args(["run", "--listen", "off", "--", "python3", "-c"]);
    let (_, printed, said) = told(command.arg(LEAVES_A_CHILD));
    let pid: i32 = printed.trim().parse().unwrap();
    let child = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(child, rustix::process::Signal::KILL).unwrap();
    let expected = format!("1 process runs on unwatched: pid {pid}");
    assert!(said.contains(&expected), "{said}");
}
