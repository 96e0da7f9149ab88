//! Where `run --report` writes.

use crate::loopscope;

#[test]
fn a_report_to_standard_output_comes_after_what_the_program_wrote_there() {
    let runtime = tempfile::tempdir().unwrap();
    let mut command = loopscope(&runtime.path().join("rt"));
    command.args(["run", "--listen", "off", "--report", "/dev/stdout"]);
    let output = command.args(["--", "echo", "hello"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let written = String::from_utf8_lossy(&output.stdout);
    let report = written.strip_prefix("hello\n").unwrap_or_default();
    let report: serde_json::Value = serde_json::from_str(report).unwrap();
    assert_eq!(report["service"], "echo");
}

#[test]
fn a_report_that_cannot_be_written_changes_no_exit_code() {
    let runtime = tempfile::tempdir().unwrap();
    let path = runtime.path().join("none/report.json");
    let mut command = loopscope(&runtime.path().join("rt"));
    command
        .args(["run", "--listen", "off", "--report"])
        .arg(&path);
    let output = command.args(["--", "sh", "-c", "exit 3"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    let expected = format!(
        "cannot write the report (No such file or directory (os error 2)): {}\n",
        path.display()
    );
    assert!(said.contains(&expected), "{said}");
    assert!(said.contains("hint: create the folder"), "{said}");
}
