//! Runs held against earlier ones: the same is the same, slower is worse, faster is better; another load is refused.

use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering;

use loopscope_load::compare::Change;
use loopscope_load::results::read;
use tempfile::TempDir;

use crate::command::{Ran, finish, stress};
use crate::server::{Served, service};

/// Three rounds, as many as tell a change from scatter. At a delay of 20 ms it is the delay that decides, and not how
/// busy the machine is.
fn rounds(served: &Served, home: &Path, words: &[&str]) -> Ran {
    let url = served.url();
    let fixed = [
        &url,
        "--endpoint",
        "GET",
        "/ok",
        "--rounds",
        "3",
        "--duration",
        "500ms",
        "--concurrency",
        "4",
        "--settle",
        "100ms",
    ];
    finish(stress(
        home,
        &[&fixed.map(|word| word as &str)[..], words].concat(),
    ))
}

#[test]
fn a_run_is_held_against_an_earlier_one() {
    let (served, home) = (service(), TempDir::new().unwrap());
    served.delay.store(20, Ordering::Relaxed);
    let ran = rounds(&served, home.path(), &["--save-baseline", "main"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let kept = home.path().join("loopscope/baselines/main.json");
    assert!(read(&fs::read(&kept).unwrap()).is_ok());

    let same = rounds(
        &served,
        home.path(),
        &["--baseline", "main", "--fail-on-regression"],
    );
    assert_eq!(same.code, 0, "{same:?}");
    assert!(
        same.stdout.contains("not changed by more than scatter"),
        "{same:?}"
    );

    served.delay.store(60, Ordering::Relaxed);
    let told = rounds(&served, home.path(), &["--baseline", "main"]);
    assert_eq!(told.code, 0, "it is told alone: {told:?}");
    let slow = home.path().join("slow.json");
    let words = [
        "--baseline",
        "main",
        "--fail-on-regression",
        "--output",
        slow.to_str().unwrap(),
    ];
    let slower = rounds(&served, home.path(), &words);
    assert_eq!(slower.code, 2, "{slower:?}");
    assert!(
        slower.stdout.contains("worse   p50 of open loop GET /ok"),
        "{slower:?}"
    );
    let comparison = read(&fs::read(&slow).unwrap()).unwrap().comparison.unwrap();
    let rate = comparison
        .figures
        .iter()
        .find(|one| one.figure == "rate")
        .unwrap();
    assert_eq!(rate.change, Change::Worse);

    served.delay.store(20, Ordering::Relaxed);
    let words = ["--baseline", slow.to_str().unwrap(), "--fail-on-regression"];
    let faster = rounds(&served, home.path(), &words);
    assert_eq!(faster.code, 0, "{faster:?}");
    assert!(
        faster.stdout.contains("better  p50 of open loop GET /ok"),
        "{faster:?}"
    );
}

#[test]
fn another_load_is_refused_before_anything_is_sent_unless_it_is_told_to() {
    let (served, home) = (service(), TempDir::new().unwrap());
    let ran = rounds(&served, home.path(), &["--save-baseline", "main"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let answered = served.answered.load(Ordering::Relaxed);
    let other = ["--baseline", "main", "--rate", "20"];
    let refused = rounds(&served, home.path(), &other);
    assert_eq!(
        (refused.code, refused.stdout.as_str()),
        (64, ""),
        "{refused:?}"
    );
    assert!(
        refused.stderr.contains("rate: 50 then, 20 now"),
        "{refused:?}"
    );
    // The one question is whether there is a health endpoint.
    assert!(served.answered.load(Ordering::Relaxed) <= answered + 1);
    let anyway = rounds(
        &served,
        home.path(),
        &[&other[..], &["--compare-anyway"]].concat(),
    );
    assert_eq!(anyway.code, 0, "{anyway:?}");
    assert!(
        anyway.stdout.contains("not alike  rate: 50 then, 20 now"),
        "{anyway:?}"
    );
}

#[test]
fn a_baseline_of_another_schema_is_read_or_refused_clearly() {
    let (served, home) = (service(), TempDir::new().unwrap());
    let file = home.path().join("base.json");
    for (text, said, hint) in [
        (
            r#"{"schema_version": 99}"#,
            "written by a later Loopscope",
            "a later one",
        ),
        (
            r#"{"schema_version": 0}"#,
            "written by an earlier Loopscope",
            "measure anew",
        ),
        (
            r#"{"status": "healthy"}"#,
            "not the results of `loopscope stress`",
            "--output FILE",
        ),
    ] {
        fs::write(&file, text).unwrap();
        let ran = rounds(
            &served,
            home.path(),
            &["--baseline", file.to_str().unwrap()],
        );
        assert_eq!((ran.code, ran.stdout.as_str()), (64, ""), "{ran:?}");
        assert!(
            ran.stderr.contains(said) && ran.stderr.contains(hint),
            "{ran:?}"
        );
    }
}
