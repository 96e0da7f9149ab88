//! The files of a run: whole, in the place of what was there, or a clear word.

use std::fs;

use tempfile::TempDir;

use crate::command::{SHORT, finish, run, stress};
use crate::server::service;

#[test]
fn results_and_junit_are_written_and_take_the_place_of_older_ones() {
    let served = service();
    let home = TempDir::new().unwrap();
    let (results, junit) = (
        home.path().join("results.json"),
        home.path().join("junit.xml"),
    );
    fs::write(&results, "older").unwrap();
    let url = served.url();
    let words = [
        &url,
        "--endpoint",
        "GET",
        "/ok",
        "--output",
        results.to_str().unwrap(),
        "--junit",
        junit.to_str().unwrap(),
        "--threshold",
        "p99<1us",
    ];
    let ran = finish(stress(
        home.path(),
        &[&words.map(|word| word as &str)[..], &SHORT].concat(),
    ));
    assert_eq!(ran.code, 1, "{ran:?}");
    let value: serde_json::Value = serde_json::from_slice(&fs::read(&results).unwrap()).unwrap();
    assert_eq!(
        (&value["schema_version"], &value["verdict"]),
        (&1.into(), &"failed".into())
    );
    let text = fs::read_to_string(&junit).unwrap();
    assert!(
        text.contains(r#"name="health" classname="loopscope.stress""#),
        "{text}"
    );
    assert!(text.contains("<failure message=\"p99 "), "{text}");
    let mut left: Vec<_> = fs::read_dir(home.path())
        .unwrap()
        .map(|one| one.unwrap().file_name())
        .collect();
    left.sort();
    assert_eq!(
        left,
        ["junit.xml", "results.json"],
        "no draft is left behind"
    );
}

#[test]
fn a_file_that_cannot_be_there_is_told_before_the_run() {
    let served = service();
    let ran = run(&[
        &served.url(),
        "--endpoint",
        "GET",
        "/ok",
        "--output",
        "/no/such/folder/x.json",
    ]);
    assert_eq!((ran.code, ran.stdout.as_str()), (74, ""), "{ran:?}");
    assert!(ran.stderr.contains("hint: create the folder"), "{ran:?}");
    assert_eq!(
        served.answered.load(std::sync::atomic::Ordering::Relaxed),
        0
    );
}

#[test]
fn a_full_disk_is_told_and_the_summary_is_still_there() {
    let served = service();
    let ran = run(&[
        &served.url(),
        "--endpoint",
        "GET",
        "/ok",
        "--output",
        "/dev/full",
    ]);
    assert_eq!(ran.code, 74, "{ran:?}");
    assert!(ran.stdout.starts_with("PASSED"), "{ran:?}");
    assert!(
        ran.stderr.contains("cannot write (No space left on device"),
        "{ran:?}"
    );
    assert!(ran.stderr.contains("hint: free space there"), "{ran:?}");
}
