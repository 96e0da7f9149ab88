//! What is called on a line, written as the source is.

use super::calls::FileCalls;
use super::*;

/// The calls on a line, with `await ` in front of those that are awaited.
fn calls(text: &str, line: u32) -> Vec<String> {
    let shown = |call: CalledName| match call.is_awaited {
        true => format!("await {}", call.name),
        false => call.name.to_string(),
    };
    FileCalls::parse(text)
        .on_line(line)
        .into_iter()
        .map(shown)
        .collect()
}

fn check(line: &str, expect: &[&str]) {
    assert_eq!(calls(line, 1), expect, "{line}");
}

#[test]
fn a_call_is_named_as_it_is_written() {
    check("time.sleep(1)", &["time.sleep"]);
    check("    x = requests.get(url, timeout=3)", &["requests.get"]);
    check(
        "return json.loads(response.read())",
        &["json.loads", "response.read"],
    );
    check("if not path.exists (name): f()", &["path.exists", "f"]);
    check("self.größe.ändern(1)", &["self.größe.ändern"]);
}

#[test]
fn a_call_on_a_call_or_a_subscript_keeps_its_shape() {
    check(
        "sqlite3.connect(db).execute(q)",
        &["sqlite3.connect", "sqlite3.connect().execute"],
    );
    check("rows[i].get(k)", &["rows[].get"]);
    check("open(a)(b)", &["open", "open()"]);
    check("','.join(x)", &[".join"]);
    check("(a or b).run()", &[".run"]);
}

#[test]
fn what_calls_nothing_has_no_calls() {
    for line in [
        "x = (1 + 2) * y",
        "def run(self): pass",
        "class Job(Base): pass",
        "return (a, b)",
        "from m import (a, b)",
        "# time.sleep(1)",
        "x = 'time.sleep(1)'",
        "x = f\"{time.sleep(1)}\"",
        "x = 1.0",
        "case Point(x=0, y=Other(z)):",
        "match (command):",
        "",
    ] {
        check(line, &[]);
    }
}

#[test]
fn arguments_and_literals_do_not_leave_the_line() {
    check(
        "login(user, 'secret-one', token=b'secret-two')  # secret-three",
        &["login"],
    );
    check("q(f\"{a['k']} {b!r:>{width}} secret(x)\")", &["q"]);
    check("q(f'{d[\"a\"]}' 'secret(1)')", &["q"]);
    check(r"q('it\'s secret(1)')", &["q"]);
}

#[test]
fn an_awaited_call_is_marked() {
    check("await asyncio.sleep(1)", &["await asyncio.sleep"]);
    check(
        "x = await client.get(make_url())",
        &["await client.get", "make_url"],
    );
    check(
        "await session.query(x).all()",
        &["session.query", "await session.query().all"],
    );
    check("a(await b(), c())", &["a", "await b", "c"]);
    check("await (later())", &["await later"]);
    check("await task; time.sleep(1)", &["time.sleep"]);
}

#[test]
fn asynchronous_statements_await_what_they_enter() {
    check(
        "async with pool.acquire() as c: use(c)",
        &["await pool.acquire", "use"],
    );
    check("async with a() as x, b() as y:", &["await a", "await b"]);
    check("async for row in stream(x):", &["await stream"]);
    check("[f(x) async for x in g()]", &["f", "await g"]);
    check("with lock.hold():", &["lock.hold"]);
}

#[test]
fn a_statement_over_several_lines_gives_the_calls_of_the_line_asked_for() {
    let text = "x = gather(\n    first(),\n    # comment(1)\n    time.sleep(3),\n)\ny()\n";
    assert_eq!(calls(text, 1), ["gather"]);
    assert_eq!(calls(text, 4), ["time.sleep"]);
    assert_eq!(calls(text, 5), ["gather", "first", "time.sleep"]);
    assert_eq!(calls(text, 6), ["y"]);
}

#[test]
fn a_method_stands_on_its_own_line_in_a_chain() {
    let text = "rows = (session\n    .query(User)\n    .all())\n";
    assert_eq!(calls(text, 2), ["session.query"]);
    assert_eq!(calls(text, 3), ["session.query().all"]);
}

#[test]
fn a_line_behind_a_backslash_belongs_to_the_statement() {
    assert_eq!(calls("x = a() + \\\n    b\n", 2), ["a"]);
}

#[test]
fn text_over_several_lines_hides_nothing_behind_it() {
    let text = "x = '''\ntime.sleep(1)\n\"quoted\" it''s\n'''\nreal()\n";
    assert_eq!(calls(text, 2), [""; 0]);
    assert_eq!(calls(text, 5), ["real"]);
    assert_eq!(calls("d = \"\"\nf()\n", 2), ["f"]);
    assert_eq!(calls("x = 'unclosed\nf()\n", 2), ["f"]);
}

#[test]
fn a_file_of_the_process_is_read_and_kept() {
    let mut lines = SourceLines::new(std::process::id());
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/programs/sleep_in_chain.py"
    );
    let line = std::fs::read_to_string(file)
        .unwrap()
        .lines()
        .position(|line| line.contains("time.sleep"))
        .unwrap();
    let found = lines.calls_on_line(file, line as u32 + 1);
    assert_eq!(
        found,
        [CalledName {
            name: "time.sleep".into(),
            is_awaited: false
        }]
    );
    assert_eq!(lines.files.len(), 1);
}

#[test]
fn what_is_no_readable_file_has_no_calls() {
    let mut lines = SourceLines::new(std::process::id());
    for file in [
        "<string>",
        "<frozen importlib._bootstrap>",
        "",
        "/dev/zero",
        "/proc",
        "/absent.py",
    ] {
        assert_eq!(lines.calls_on_line(file, 1), [], "{file}");
    }
}

proptest::proptest! {
    #[test]
    fn any_text_has_some_calls(text in "[a-z'\"f{}()\\[\\].\\\\\n#, :]{0,80}", line in 0_u32..20) {
        calls(&text, line);
    }
}
