//! Tasks, memory and descriptors that become ever more, and what merely looks like it.

use crate::{
    config::Config,
    observation::{Fact, Resources, TaskSiteReading},
    report::{IncidentKind, Severity, Status},
    testing::{Bench, millis, work::polls},
};

const MEBIBYTE: u64 = 1 << 20;

/// Reads a site every second: tasks created and ended by then, and when the oldest was created.
fn run(seconds: u64, figure: impl Fn(u64) -> (u64, u64, Option<u64>)) -> Bench {
    let mut bench = Bench::adapted();
    for second in 0..=seconds {
        let (spawned, done, oldest) = figure(second);
        let reading = TaskSiteReading {
            spawned,
            done,
            oldest_started: oldest.map(|second| millis(second * 1_000)),
            ..polls()
        };
        bench.site(second * 1_000, 0, reading);
    }
    bench
}

#[test]
fn tasks_that_never_end_are_a_leak_with_the_line_that_creates_them() {
    let bench = run(240, |second| (second, 0, Some(0)));
    let incident = bench.only(240_000);
    assert_eq!(
        (incident.kind, incident.severity),
        (IncidentKind::TaskLeak, Severity::Degraded)
    );
    assert!(
        incident
            .summary
            .starts_with("tasks of Bot.poll become ever more: 240 alive, 60 more a minute"),
        "{}",
        incident.summary
    );
    assert!(
        incident
            .summary
            .contains("created at app.py:41 in start_all, on loop main")
    );
    assert_eq!(incident.culprit.unwrap().line, 41);
    assert_eq!(bench.report(240_000).components["tasks"], Status::Degraded);
}

#[test]
fn growth_is_judged_as_much_faster_as_was_asked_for_and_not_before() {
    let at_pace = |pace: u64| {
        let mut bench = Bench::adapted_with(Config::default().hastened(pace));
        for quarter in 0..=40 {
            let reading = TaskSiteReading {
                spawned: quarter,
                oldest_started: Some(millis(0)),
                ..polls()
            };
            bench.site(quarter * 250, 0, reading);
        }
        bench.incidents(10_000)
    };
    assert_eq!(at_pace(1), []);
    let found = at_pace(30);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].kind, IncidentKind::TaskLeak);
}

#[test]
fn one_request_in_a_hundred_that_leaks_its_task_is_found() {
    let bench = run(600, |second| {
        let spawned = second * 50;
        let leaked = spawned / 100;
        (spawned, (spawned - leaked).saturating_sub(5), Some(2))
    });
    assert_eq!(bench.only(600_000).kind, IncidentKind::TaskLeak);
}

#[test]
fn a_leak_that_is_mended_closes() {
    let bench = run(1_200, |second| {
        let alive = if second < 400 { second } else { 0 };
        (second * 2, second * 2 - alive, Some(0))
    });
    let incident = bench.only(1_200_000);
    assert!(incident.closed_at.is_some());
    assert!(incident.count <= 2, "it flickered: {}", incident.count);
}

#[test]
fn a_leak_stays_one_incident_for_as_long_as_it_lasts() {
    let bench = run(3_600, |second| (second, 0, Some(0)));
    let incident = bench.only(3_600_000);
    assert_eq!((incident.count, incident.closed_at), (1, None));
}

#[test]
fn rising_load_that_is_served_by_young_tasks_is_no_leak() {
    let bench = run(600, |second| {
        let alive = second / 2;
        let ended = second * 100;
        (ended + alive, ended, Some(second.saturating_sub(3)))
    });
    assert_eq!(bench.incidents(600_000), []);
}

#[test]
fn healthy_courses_of_tasks_raise_nothing() {
    let courses: [fn(u64) -> u64; 5] = [
        |_| 500,
        |second| second.min(100),
        |second| second % 60 * 10,
        |second| {
            if (300..400).contains(&second) {
                900
            } else {
                10
            }
        },
        |second| ((second * 2_654_435_761) >> 7) % 300,
    ];
    for (index, alive) in courses.into_iter().enumerate() {
        let bench = run(1_800, |second| {
            let ended = second * 1_000;
            (ended + alive(second), ended, Some(0))
        });
        let leaks = bench.incidents(1_800_000);
        let leaks = leaks
            .iter()
            .filter(|incident| incident.kind == IncidentKind::TaskLeak);
        assert_eq!(leaks.count(), 0, "course {index}");
    }
}

#[test]
fn a_task_that_outlives_all_others_of_its_site_is_shown_as_stuck() {
    let bench = run(400, |second| {
        (second * 10 + 3, (second * 10).saturating_sub(2), Some(5))
    });
    let incident = bench.only(400_000);
    assert_eq!(
        (incident.kind, incident.severity),
        (IncidentKind::TaskStuck, Severity::Info)
    );
    assert!(
        incident
            .summary
            .starts_with("a task of Bot.poll does not end: others of its kind live for"),
        "{}",
        incident.summary
    );
    assert_eq!(bench.report(400_000).status, Status::Healthy);
}

#[test]
fn workers_that_never_end_are_not_stuck() {
    let bench = run(1_800, |_| (8, 0, Some(1)));
    assert_eq!(bench.incidents(1_800_000), []);
}

#[test]
fn long_connections_among_others_of_their_kind_are_not_stuck() {
    // Two hundred at a time, each for a hundred seconds on average, one for half an hour.
    let bench = run(1_800, |second| (second * 2 + 200, second * 2, Some(1)));
    assert_eq!(bench.incidents(1_800_000), []);
}

/// Reads resources every second.
fn use_up(seconds: u64, figure: impl Fn(u64) -> Resources) -> Bench {
    let mut bench = Bench::adapted();
    for second in 0..=seconds {
        let (process, resources) = (bench.process, figure(second));
        bench.at(
            second * 1_000,
            Fact::ProcessResources { process, resources },
        );
    }
    bench
}

fn memory(mebibytes: u64) -> Resources {
    Resources {
        rss_bytes: mebibytes * MEBIBYTE,
        memory_limit_bytes: Some(4_096 * MEBIBYTE),
        ..Resources::default()
    }
}

#[test]
fn much_memory_is_worth_a_look_and_nearly_all_of_it_is_critical() {
    let bench = use_up(3, |_| memory(1_500));
    let incident = bench.only(3_000);
    assert_eq!(
        (incident.kind, incident.severity),
        (IncidentKind::MemoryHigh, Severity::Degraded)
    );
    assert!(
        incident
            .summary
            .starts_with("app (pid 41) holds 1.5 GiB of memory, more than 1.0 GiB"),
        "{}",
        incident.summary
    );
    let bench = use_up(3, |_| memory(3_900));
    assert_eq!(
        bench.report(3_000).components["resources"],
        Status::Critical
    );
    assert!(
        bench
            .only(3_000)
            .summary
            .contains("95 % of the 4.0 GiB that it may have")
    );
}

#[test]
fn a_figure_at_the_limit_does_not_flicker() {
    let bench = use_up(600, |second| memory(1_020 + second % 10));
    assert_eq!(bench.only(600_000).count, 1);
}

#[test]
fn memory_that_grows_for_ten_minutes_is_growth_and_a_warm_up_is_not() {
    let bench = use_up(900, |second| memory(200 + second / 2));
    let incident = bench.only(900_000);
    assert_eq!(incident.kind, IncidentKind::MemoryGrowth);
    assert!(
        incident.summary.contains("30 MiB more a minute"),
        "{}",
        incident.summary
    );
    let bench = use_up(3_600, |second| memory(200 + second.min(240)));
    assert_eq!(bench.incidents(3_600_000), []);
    let bench = use_up(3_600, |second| memory(200 + second % 300));
    assert_eq!(bench.incidents(3_600_000), []);
}

fn files(open: u64) -> Resources {
    Resources {
        open_fds: Some(open),
        fd_limit: Some(1_024),
        ..Resources::default()
    }
}

#[test]
fn descriptors_near_their_limit_are_told_and_then_critical() {
    let bench = use_up(3, |_| files(850));
    let incident = bench.only(3_000);
    assert_eq!(incident.kind, IncidentKind::DescriptorHigh);
    assert!(
        incident
            .summary
            .starts_with("app (pid 41) has 850 files open, 83 % of the 1024"),
        "{}",
        incident.summary
    );
    let bench = use_up(3, |_| files(1_000));
    assert_eq!(bench.report(3_000).status, Status::Critical);
}

#[test]
fn descriptors_that_are_never_closed_are_growth() {
    let bench = use_up(600, |second| files(50 + second));
    assert_eq!(bench.only(600_000).kind, IncidentKind::DescriptorGrowth);
    let bench = use_up(3_600, |second| files(50 + second % 90 * 5));
    assert_eq!(bench.incidents(3_600_000), []);
}
