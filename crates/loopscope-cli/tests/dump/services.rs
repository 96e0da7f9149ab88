//! Services with known tasks: what is shown of them.

use std::process::Command;
use std::time::{Duration, Instant};

use loopscope_engine::dump::{
    DumpFindingKind, DumpGil, DumpLoopState, DumpReport, DumpTaskState, DumpWaitKind,
};
use rustix::process::geteuid;

use crate::command::{dump, finish, parsed, plain, program, run};
use crate::target::{Target, fixture, marked, pythons};

#[test]
fn a_service_is_shown_with_its_loop_its_tasks_and_its_threads() {
    let service = Target::service(&["service"]);
    let report = until(&service, is_idle);
    let shown = run(&[&service.pid()]).shown();
    if knows_ended_tasks(&report) {
        for expected in [
            "1 loop · 14 tasks (13 pending, 1 failed)",
            "1 task failed with ValueError: out of stock",
            "failing failed with ValueError",
        ] {
            assert!(shown.contains(expected), "{expected}:\n{shown}");
        }
    }
    for expected in [
        &format!("pid {}", service.id()),
        "13 pending",
        ": idle\n",
        &format!("5 tasks waiting at {}: Queue.get", consumers()),
        "consumer-0, consumer-1, ",
        "MainThread (",
        "in epoll_wait, runs a loop",
    ] {
        assert!(shown.contains(expected), "{expected}:\n{shown}");
    }
}

#[test]
fn json_has_every_task_and_is_as_the_schema_says() {
    for python in pythons() {
        eprintln!("on {python}");
        check_service(&Target::service_on(&python, &["service"]));
    }
}

#[test]
fn a_service_on_uvloop_is_read_as_well() {
    for python in pythons() {
        let import = Command::new(&python).args(["-c", "import uvloop"]).output();
        if !import.is_ok_and(|output| output.status.success()) {
            eprintln!("SKIPPED: {python} has no uvloop");
            continue;
        }
        let service = Target::service_on(&python, &["service", "uvloop"]);
        let report = check_service(&service);
        assert_eq!(&*report.loops[0].type_name, "uvloop.Loop");
    }
}

#[track_caller]
fn check_service(service: &Target) -> DumpReport {
    let report = until(service, is_idle);
    assert_eq!(report.process.pid, service.id());
    let ended = usize::from(knows_ended_tasks(&report));
    assert_eq!((report.loops.len(), report.tasks.len()), (1, 13 + ended));
    assert_eq!(report.problems, Vec::<String>::new());
    let task = |name: &str| {
        let found = report
            .tasks
            .iter()
            .find(|task| task.name.as_deref() == Some(name));
        found.unwrap_or_else(|| panic!("{name}: {:#?}", report.tasks))
    };
    if knows_ended_tasks(&report) {
        let failing = task("failing");
        assert_eq!(failing.state, DumpTaskState::Failed);
        assert_eq!(failing.exception_message.as_deref(), Some("out of stock"));
    }
    let parent = task("parent").waits_for.as_ref().unwrap();
    assert_eq!(
        (parent.kind, parent.task_indexes.len()),
        (DumpWaitKind::Tasks, 4)
    );
    let writer = task("writer").waits_for.as_ref().unwrap();
    assert_eq!(&*writer.primitive.as_ref().unwrap().kind, "Lock");
    let chain = &task("consumer-0").await_chain;
    assert_eq!(&*chain[0].function, "consume");
    assert!(chain[0].in_app && !chain[1].in_app, "{chain:?}");
    let grouped: u64 = report.task_groups.iter().map(|group| group.count).sum();
    assert_eq!(grouped, report.counts.tasks);
    report
}

/// From 3.14 on asyncio forgets a task when it ends.
fn knows_ended_tasks(report: &DumpReport) -> bool {
    let version = &report.reading.as_ref().unwrap().python_version;
    let minor = version.split('.').nth(1).unwrap();
    minor.parse::<u32>().unwrap() < 14
}

#[test]
fn ten_thousand_tasks_are_one_entry() {
    let service = Target::service(&["crowd", "10000"]);
    let shown = run(&[&service.pid()]).shown();
    assert!(
        shown.contains(&format!(
            "10,000 tasks waiting at {}: Queue.get",
            consumers()
        )),
        "{shown}"
    );
    assert!(shown.lines().count() < 40, "{shown}");
}

#[test]
fn the_tree_shows_who_waits_for_whom() {
    let service = Target::service(&["service"]);
    let shown = run(&[&service.pid(), "--tree"]).shown();
    let below = shown.split("parent  waiting at ").nth(1).unwrap_or(&shown);
    let below = below.lines().nth(1).unwrap_or_default();
    assert!(below.trim_start().starts_with("└─ × 4  waiting"), "{shown}");
}

#[test]
fn a_deadlock_is_found() {
    let service = Target::service(&["deadlock"]);
    let report = run(&[&service.pid(), "--json"]).report();
    let finding = &report.findings[0];
    assert_eq!(finding.kind, DumpFindingKind::Deadlock);
    let mut names: Vec<_> = finding
        .task_indexes
        .iter()
        .map(|index| report.tasks[*index].name.clone().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["first", "second"]);
}

#[test]
fn a_loop_that_is_blocked_in_c_code_with_the_lock_is_shown_with_its_line() {
    let service = Target::service(&["gil"]);
    let report = until(&service, |report| {
        report.loops.first().is_some_and(|found| {
            matches!(found.state, DumpLoopState::Stalled | DumpLoopState::Blocked)
        })
    });
    let finding = &report.findings[0];
    assert_eq!(finding.gil, Some(DumpGil::Own), "{finding:?}");
    let culprit = finding.culprit.as_ref().unwrap();
    assert!(culprit.file.ends_with("dump_service.py"), "{finding:?}");
    assert_eq!(
        (culprit.line, &*culprit.function),
        (marked("BLAME"), "block")
    );
    assert_eq!(finding.call.as_deref(), Some("re.match"));
    assert!(report.loops[0].busy_seconds.unwrap() >= 0.1);
    let shown = run(&[&service.pid()]).shown();
    let wrong = shown.split("What is wrong").nth(1).unwrap();
    assert!(
        wrong.contains(&format!(
            "dump_service.py:{} in block: re.match",
            marked("BLAME")
        )),
        "{shown}"
    );
}

#[test]
fn a_task_cannot_act_on_the_terminal_by_its_name() {
    let service = Target::service(&["hostile"]);
    for arguments in [&[][..], &["--tree"], &["--json"]] {
        let pid = service.pid();
        let shown = run(&[&[pid.as_str()], arguments].concat()).shown();
        assert!(shown.contains("owned"), "{shown}");
        assert!(
            !shown.contains(|c: char| c != '\n' && c.is_control()),
            "{shown:?}"
        );
    }
}

#[test]
fn every_process_of_the_user_is_dumped() {
    let Some((service, user)) = of_own_user() else {
        return;
    };
    let ran = run(&["--all", "--user", &user, "--json"]);
    let reports: Vec<DumpReport> = ran.stdout.lines().map(parsed).collect();
    let found = reports
        .iter()
        .find(|report| report.process.pid == service.id());
    assert_eq!(
        found.map(|report| report.counts.tasks_pending),
        Some(13),
        "{}",
        ran.stderr
    );
    let shown = run(&["--all", "--user", &user]).stdout;
    assert!(shown.contains(&format!("pid {}", service.id())), "{shown}");
}

/// A service and its user: for root one that nobody else has, so that no stranger's process is touched.
fn of_own_user() -> Option<(Target, String)> {
    if !geteuid().is_root() {
        let uid = geteuid().as_raw().to_string();
        return Some((Target::service(&["service"]), uid));
    }
    let user = "54321";
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("service.py");
    std::fs::copy(fixture(), &script).unwrap();
    open_to_all(folder.path());
    let mut command = Command::new("setpriv");
    command.args(["--reuid", user, "--clear-groups", "/usr/bin/python3"]);
    let is_there = Command::new("setpriv").arg("--version").output();
    if is_there.is_err() || !std::path::Path::new("/usr/bin/python3").exists() {
        eprintln!("SKIPPED: setpriv or /usr/bin/python3 is not installed");
        return None;
    }
    command.arg(&script).arg("service");
    Some((Target::ready(command), user.to_owned()))
}

fn open_to_all(folder: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let service = Target::service(&["service"]);
    let mut command = Command::new("sh");
    let pipe = r#""$0" dump "$1" 2>&1 >/dev/null | cat; "$0" dump "$1" | head -n 1"#;
    command.args(["-c", pipe]).arg(program()).arg(service.pid());
    plain(&mut command);
    let ran = finish(command);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    assert_eq!(ran.stdout.lines().count(), 1, "{}", ran.stdout);
}

#[test]
fn the_help_names_the_exit_codes() {
    let shown = finish(dump(&["--help"])).shown();
    assert!(
        shown.contains("66 no such process") && shown.contains("--mode"),
        "{shown}"
    );
}

fn consumers() -> String {
    format!("fixtures/dump_service.py:{} in consume", marked("CONSUMER"))
}

/// The loop's last callback, which said that it is ready, is over.
fn is_idle(report: &DumpReport) -> bool {
    report.loops[0].state == DumpLoopState::Idle
}

/// Dumps until the report says what is looked for.
#[track_caller]
fn until(service: &Target, is_it: impl Fn(&DumpReport) -> bool) -> DumpReport {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let report = run(&[&service.pid(), "--json"]).report();
        if is_it(&report) {
            return report;
        }
        assert!(Instant::now() < deadline, "{report:#?}");
    }
}
