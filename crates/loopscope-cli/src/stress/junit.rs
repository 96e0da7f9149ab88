//! Tests and thresholds as JUnit's XML, which build servers show.

use loopscope_load::results::{Results, Verdict};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

/// The document.
pub(super) fn text(results: &Results) -> Vec<u8> {
    let mut suite = TestSuite::new("loopscope stress");
    for test in &results.tests {
        suite.add_test_case(case(
            test.name.words(),
            test.verdict,
            &test.reasons.join("\n"),
        ));
    }
    for held in &results.thresholds {
        suite.add_test_case(case(&held.threshold, held.verdict, &held.reason));
    }
    if let Some(comparison) = &results.comparison {
        let worse = comparison.figures.iter();
        let worse = worse.filter(|one| one.change == loopscope_load::compare::Change::Worse);
        let worse: Vec<_> = worse
            .map(|one| format!("{} of {}: {}", one.figure, one.of, one.words))
            .collect();
        let verdict = if worse.is_empty() {
            Verdict::Passed
        } else {
            Verdict::Failed
        };
        let name = format!("against {}", comparison.baseline);
        suite.add_test_case(case(&name, verdict, &worse.join("\n")));
    }
    let mut report = Report::new("loopscope stress");
    report.add_test_suite(suite);
    let mut text = Vec::new();
    // Into memory; what XML cannot hold is left out by the writer.
    let _ = report.serialize(&mut text);
    text
}

fn case(name: &str, verdict: Verdict, reasons: &str) -> TestCase {
    let status = match verdict {
        Verdict::Passed => TestCaseStatus::success(),
        Verdict::Failed => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_message(reasons.lines().next().unwrap_or_default());
            status.set_description(reasons);
            status
        }
        Verdict::NotMeasured => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(reasons);
            status
        }
    };
    let mut case = TestCase::new(name, status);
    case.set_classname("loopscope.stress");
    if verdict == Verdict::Passed {
        case.set_system_out(reasons);
    }
    case
}
