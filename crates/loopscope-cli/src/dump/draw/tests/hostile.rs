use super::*;
use crate::screen::is_unsafe;

/// Every string of the report becomes hostile, one after another and wherever the schema lets it.
#[test]
fn a_process_cannot_act_on_the_terminal() {
    let hostile = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m\r\n\u{202e}";
    let mut dump = blocked();
    dump.problems = vec!["x".to_owned()];
    dump.threads
        .push(thread(4250, "worker", Some(FUTEX), vec![own(3, "run")]));
    let mut lock = future("Lock");
    lock.primitive = Some(primitive("Lock", Some("locked")));
    dump.tasks.push(task("t", vec![own(4, "f")], Some(lock)));
    dump.tasks.push(task("failed", Vec::new(), None));
    dump.tasks[2].state = TaskState::Failed {
        exception: "E".into(),
        message: Some("boom".to_owned()),
    };
    dump.tasks[1].problem = Some("p".to_owned());
    let mut around = surroundings();
    around.process.user = Some("u".to_owned());
    around.process.is_of_other_user = true;
    let clean = serde_json::to_value(report(&dump, &around)).unwrap();
    let mut paths = Vec::new();
    strings(&clean, String::new(), &mut paths);
    let mut tried = 0;
    for path in paths {
        let mut value = clean.clone();
        let text = value.pointer(&path).unwrap().as_str().unwrap().to_owned();
        *value.pointer_mut(&path).unwrap() = format!("{hostile}{text}").into();
        let Ok(mut report) = serde_json::from_value::<DumpReport>(value) else {
            continue;
        };
        tried += 1;
        for tree in [false, true] {
            let shown = drawn_as(&mut report.clone(), PIPE, tree);
            assert!(
                !shown.contains(|c| c != '\n' && is_unsafe(c)),
                "{path}: {shown:?}"
            );
        }
        neutralise(&mut report);
        let said = serde_json::to_value(&report).unwrap();
        let mut left = Vec::new();
        strings(&said, String::new(), &mut left);
        let is_safe = |path: &String| {
            !said
                .pointer(path)
                .unwrap()
                .as_str()
                .unwrap()
                .contains(is_unsafe)
        };
        assert!(left.iter().all(is_safe), "{path}");
    }
    assert!(tried > 50, "{tried}");
}

/// The JSON pointers of all strings.
fn strings(value: &serde_json::Value, at: String, found: &mut Vec<String>) {
    match value {
        serde_json::Value::String(_) => found.push(at),
        serde_json::Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                strings(item, format!("{at}/{index}"), found);
            }
        }
        serde_json::Value::Object(fields) => {
            for (name, field) in fields {
                strings(field, format!("{at}/{name}"), found);
            }
        }
        _ => {}
    }
}
