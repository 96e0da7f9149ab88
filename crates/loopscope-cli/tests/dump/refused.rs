//! Processes that cannot or may not be read: the sentence, the hint, and what is shown all the same.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use loopscope_engine::dump::DumpReport;
use rustix::process::geteuid;

use crate::command::{Ran, finish, plain, program, run};
use crate::target::{Target, python};

#[test]
fn a_process_that_does_not_exist_is_said_to() {
    let mut ended = Command::new("true").spawn().unwrap();
    let pid = ended.id().to_string();
    ended.wait().unwrap();
    let ran = run(&[&pid]);
    ran.refused(
        66,
        &format!("no such process: {pid}"),
        "`loopscope dump --all`",
    );
    assert_eq!(ran.stdout, "");
}

#[test]
fn a_process_that_ended_and_was_not_collected_is_said_to_have_ended() {
    let mut ended = Command::new("true").spawn().unwrap();
    until_in_state(ended.id(), 'Z');
    run(&[&ended.id().to_string()]).refused(66, "has ended", "postmortem");
    ended.wait().unwrap();
}

#[test]
fn the_id_of_a_thread_leads_to_its_process() {
    let mut command = Command::new(python());
    let program = "import threading, time\n\
                   threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()\n\
                   print('ready', flush=True); time.sleep(3600)";
    command.args(["-c", program]);
    let target = Target::ready(command);
    let tasks = std::fs::read_dir(format!("/proc/{}/task", target.id())).unwrap();
    let ids = tasks.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let thread = ids.into_iter().find(|id| *id != target.pid()).unwrap();
    let hint = format!("`loopscope dump {}`", target.pid());
    run(&[&thread]).refused(66, "is a thread of process", &hint);
}

#[test]
fn a_process_that_is_not_python_is_shown_as_the_kernel_knows_it() {
    let mut command = Command::new("sleep");
    command.arg("3600");
    let target = Target::started(command);
    until_in_state(target.id(), 'S');
    let ran = run(&[&target.pid()]);
    ran.refused(69, "not a Python process: ", "`ps -fp ");
    assert!(ran.stdout.starts_with("sleep 3600  pid "), "{ran:?}");
    assert!(
        ran.stdout.contains(&format!("{} sleep, in ", target.pid())),
        "{ran:?}"
    );
    let ran = run(&[&target.pid(), "--json"]);
    let report: DumpReport = serde_json::from_str(&ran.stdout).unwrap();
    assert!(
        report
            .error
            .unwrap()
            .message
            .starts_with("not a Python process")
    );
    assert_eq!((report.native_threads.len(), report.reading), (1, None));
}

/// Root runs the command as nobody on a service of its own; others try the first process of the system.
#[test]
fn a_refused_permission_names_the_next_command() {
    let folder = tempfile::tempdir().unwrap();
    let (ran, pid) = if geteuid().is_root() {
        let service = Target::service(&["service"]);
        let ran = as_nobody(&folder, &[&service.pid()]);
        (ran, service.pid())
    } else {
        (run(&["1"]), "1".to_owned())
    };
    if ran.code == Some(69) {
        eprintln!("SKIPPED: process 1 may be read here");
        return;
    }
    ran.refused(77, "it belongs to user root", "`sudo ");
    assert!(ran.stderr.contains(&format!(" dump {pid}`")), "{ran:?}");
    assert!(
        ran.stdout.contains(&format!("pid {pid}  user root")),
        "{ran:?}"
    );
}

#[test]
fn of_all_processes_those_that_are_refused_are_one_line_each() {
    if !geteuid().is_root() {
        eprintln!("SKIPPED: needs root, to become somebody else");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let service = Target::service(&["service"]);
    let ran = as_nobody(&folder, &["--all", "--user", "root"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(69), ""), "{ran:?}");
    let begins = format!("error: pid {} (", service.id());
    let told = ran.stderr.lines().find(|line| line.starts_with(&begins));
    assert!(
        told.is_some_and(|line| line.contains("; hint: `sudo ")),
        "{ran:?}"
    );
}

fn as_nobody(folder: &tempfile::TempDir, arguments: &[&str]) -> Ran {
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "65534", "--clear-groups"]);
    command
        .arg(for_everybody(folder))
        .arg("dump")
        .args(arguments);
    plain(&mut command);
    finish(command)
}

/// The program where every user can run it.
fn for_everybody(folder: &tempfile::TempDir) -> PathBuf {
    let copy = folder.path().join("loopscope");
    std::fs::copy(program(), &copy).unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    copy
}

#[test]
fn a_wrong_command_line_is_told_from_a_process_that_cannot_be_read() {
    for arguments in [
        &[][..],
        &["0"],
        &["four"],
        &["1", "--all"],
        &["1", "--user", "root"],
        &["--all", "--user", "no-such-user-here"],
        &["1", "--mode", "quick"],
        &["1", "--json", "--tree"],
    ] {
        let ran = run(arguments);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(64), ""), "{ran:?}");
        assert!(ran.stderr.starts_with("error: "), "{ran:?}");
    }
}

/// Waits until the kernel gives a process this state: `S` asleep, `Z` ended and not collected.
fn until_in_state(pid: u32, state: char) {
    let stat = format!("/proc/{pid}/stat");
    let wanted = format!(") {state} ");
    while !std::fs::read_to_string(&stat).unwrap().contains(&wanted) {
        std::thread::yield_now();
    }
}
