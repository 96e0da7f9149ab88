//! Tasks are counted, by the place that creates them.

use crate::harness::{Program, minor, pythons};

#[test]
fn tasks_are_counted_however_they_are_created_and_however_they_end() {
    for python in pythons() {
        let watched = Program::new(&python, "tasks.py", &[]).unchanged();
        let recorded = watched.only();
        let mut expected = vec![
            ("plain", [5, 5, 0, 0, 0]),
            ("at_once", [4, 4, 0, 0, 0]),
            ("gathered", [3, 3, 0, 0, 0]),
            ("cancelled_running", [2, 0, 0, 2, 0]),
            ("cancelled_early", [2, 0, 0, 2, 0]),
            ("left_pending", [1, 0, 0, 1, 0]),
            ("of_subclass", [1, 1, 0, 0, 0]),
            ("of_factory", [1, 1, 0, 0, 0]),
        ];
        let minor = minor(&python);
        if minor < 12 {
            expected.push(("waited_for", [1, 1, 0, 0, 0]));
        }
        if minor >= 11 {
            expected.push(("in_group", [2, 2, 0, 0, 0]));
        }
        if minor >= 12 {
            expected.push(("eager_to_the_end", [1, 1, 0, 0, 0]));
            expected.push(("eager_then_waiting", [1, 1, 0, 0, 0]));
        }
        for (coroutine, counts) in expected {
            assert_eq!(
                recorded.counts(coroutine),
                counts,
                "{coroutine} on 3.{minor}"
            );
        }
    }
}

#[test]
fn a_site_is_the_first_frame_outside_of_asyncio() {
    for python in pythons() {
        let watched = Program::new(&python, "tasks.py", &[]).watched();
        let recorded = watched.only();
        let named = |coroutine| {
            let site = &recorded.site(coroutine).site;
            assert!(site.file.ends_with("agent/programs/tasks.py"), "{site:?}");
            (site.function.as_str(), source_line(site.line))
        };
        let (function, line) = named("cancelled_early");
        assert_eq!(
            (function, line.as_str()),
            ("cancelled", "task = asyncio.ensure_future(coroutine)")
        );
        let (function, line) = named("gathered");
        assert_eq!(
            (function, line.as_str()),
            (
                "main",
                "await asyncio.gather(*(gathered() for _ in range(3)))"
            )
        );
        let (_, line) = named("of_subclass");
        assert_eq!(line, "super().__init__(*arguments, **named)");
    }
}

fn source_line(line: u32) -> String {
    let source = include_str!("programs/tasks.py");
    let found = source.lines().nth(line as usize - 1);
    found.unwrap_or_default().trim().to_owned()
}
