use super::*;

fn standard(text: &str) -> String {
    Statement::of(text, Dialect::Standard).as_str().to_owned()
}

fn sqlite(text: &str) -> String {
    Statement::of(text, Dialect::Sqlite).as_str().to_owned()
}

#[track_caller]
fn check(text: &str, expected: &str) {
    assert_eq!(standard(text), expected, "{text}");
}

#[test]
fn literals_of_every_kind_are_taken_out() {
    check("SELECT 'a', 1", "SELECT ?");
    check("SELECT 'it''s' FROM t", "SELECT ? FROM t");
    check("SELECT E'it\\'s' , x FROM t", "SELECT ? , x FROM t");
    check("SELECT 'C:\\' AS a, 'secret' AS b", "SELECT ? AS a, ? AS b");
    check("SELECT $$a 'b' $x$ c$$ || $f$ d $$ $f$", "SELECT ? || ?");
    check("SELECT X'1f', b'101', N'n', U&'u'", "SELECT ?");
    check("SELECT 1.5e-10 + .5 - 0x1F", "SELECT ? + ? - ?");
    check("WHERE a = -5 AND b IN (-1, +2)", "WHERE a = ? AND b IN (?)");
    check("WHERE a - 5 > b -3", "WHERE a - ? > b -?");
}

#[test]
fn a_literal_without_an_end_takes_the_rest_with_it() {
    check("SELECT 'secret", "SELECT ?");
    check("SELECT $a$ secret $b$", "SELECT ?");
    check("SELECT 1 /* secret", "SELECT ?");
    check("SELECT E'secret\\'", "SELECT ?");
}

#[test]
fn names_stay() {
    check(
        "SELECT t1.c2 FROM \"T 1\" t1",
        "SELECT t1.c2 FROM \"T 1\" t1",
    );
    check("SELECT a$1, é2 FROM über", "SELECT a$1, é2 FROM über");
    check("SELECT `a` FROM `b`", "SELECT `a` FROM `b`");
    check("SELECT a[1], b::int4 FROM t", "SELECT a[?], b::int4 FROM t");
    check(
        "SELECT a @> b, c -> 'd' FROM t",
        "SELECT a @> b, c -> ? FROM t",
    );
    check("SELECT a % b, c %% 2 FROM t", "SELECT a % b, c %% ? FROM t");
}

#[test]
fn placeholders_of_every_driver_are_the_same() {
    for placeholders in [
        "$1, $2",
        "%s, %s",
        "?, ?",
        ":a, :b",
        "%(a)s, %(b)s",
        "?1, ?2",
        "@a, @b",
        "%b,%t",
    ] {
        check(
            &format!("INSERT INTO t VALUES ({placeholders})"),
            "INSERT INTO t VALUES (?)",
        );
    }
}

#[test]
fn rows_that_repeat_are_one() {
    check(
        "INSERT INTO t (a, b) VALUES (1, 'x'), (2, 'y'),(3, 'z') RETURNING a",
        "INSERT INTO t (a, b) VALUES (?) RETURNING a",
    );
    check(
        "VALUES (1, NULL, f(2)), (3, NULL, f(4))",
        "VALUES (?, NULL, f(?))",
    );
    let many = vec!["(%s, %s)"; 10_000].join(", ");
    assert!(
        standard(&format!("INSERT INTO t VALUES {many}")).starts_with("INSERT INTO t VALUES (?)")
    );
}

#[test]
fn comments_go_and_white_space_is_folded() {
    check(
        "  SELECT 1 -- 'secret\n\t, 2 /* a /* b */ 'secret' */ FROM t  ",
        "SELECT ? FROM t",
    );
    check("/*trace=01*/ SELECT now()", "SELECT now()");
}

#[test]
fn what_is_named_anew_each_time_is_taken_out() {
    check("SAVEPOINT sa_savepoint_17", "SAVEPOINT ?");
    check("RELEASE SAVEPOINT \"s1_x2\"", "RELEASE SAVEPOINT ?");
    check("ROLLBACK TO SAVEPOINT a", "ROLLBACK TO SAVEPOINT ?");
}

#[test]
fn double_quotes_where_a_value_stands_are_a_string_in_sqlite() {
    let check = |text: &str, expected: &str| assert_eq!(sqlite(text), expected, "{text}");
    check(
        "SELECT \"a\".\"b\" FROM \"a\" WHERE \"a\".\"b\" = \"a\".\"c\"",
        "SELECT \"a\".\"b\" FROM \"a\" WHERE \"a\".\"b\" = \"a\".\"c\"",
    );
    check(
        "SELECT a FROM t WHERE name = \"bob\"",
        "SELECT a FROM t WHERE name = ?",
    );
    check(
        "SELECT a FROM t WHERE name LIKE \"bob\"",
        "SELECT a FROM t WHERE name LIKE ?",
    );
    check(
        "SELECT a FROM t WHERE name IN (\"bob\", \"eve\")",
        "SELECT a FROM t WHERE name IN (?)",
    );
    check(
        "INSERT INTO t (\"a\", \"b\") VALUES (\"bob\", 1)",
        "INSERT INTO t (\"a\", \"b\") VALUES (?)",
    );
    check(
        "INSERT INTO t VALUES (f(\"bob\"), 1) RETURNING \"a\"",
        "INSERT INTO t VALUES (f(?), ?) RETURNING \"a\"",
    );
}

#[test]
fn a_backslash_escapes_where_it_does() {
    let found = Statement::of(r#"SELECT 'it\'s' , "a\"b" # x"#, Dialect::Backslash);
    assert_eq!(found.as_str(), "SELECT ?");
}

#[test]
fn a_long_statement_is_cut_at_a_character() {
    let long = format!("SELECT {} FROM t", "é".repeat(300));
    let found = standard(&long);
    assert!(
        found.len() <= CALL_TEXT_BYTES && found.ends_with('é'),
        "{found}"
    );
    let endless = format!("SELECT {}, '{}", "1,".repeat(9_000), "secret");
    assert_eq!(standard(&endless), "SELECT ? …");
}

#[test]
fn nothing_between_quotes_is_ever_kept() {
    // Every arrangement of these tokens: what stands in quotes must not come out.
    const TOKENS: [&str; 9] = ["'", "''", "\\", "$$", "\"x\"", "a", "E", " ", "SECRET"];
    let mut state = 7u64;
    for _ in 0..20_000 {
        let mut text = String::from("SELECT '");
        for _ in 0..6 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            text.push_str(TOKENS[(state >> 33) as usize % TOKENS.len()].trim_matches('\''));
        }
        text.push_str("SECRET', b");
        let found = standard(&text);
        assert_eq!(found, "SELECT ?, b", "{text}");
    }
}

#[test]
fn any_text_can_be_taken() {
    const BYTES: &[u8] = b"'\"$?:@%(),-/*\\ a1.eE`#\n";
    let mut state = 1u64;
    for _ in 0..20_000 {
        let mut text = String::new();
        for _ in 0..24 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            text.push(char::from(BYTES[(state >> 33) as usize % BYTES.len()]));
        }
        for dialect in [Dialect::Standard, Dialect::Sqlite, Dialect::Backslash] {
            let found = Statement::of(&text, dialect);
            assert!(found.as_str().len() <= CALL_TEXT_BYTES);
        }
    }
}
