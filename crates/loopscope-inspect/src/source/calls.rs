//! The calls of a source file, by line.
//!
//! Follows primary expressions (names, dots, brackets) through the tokens of each logical line and
//! notes each one that is called. It needs no grammar beyond that.

use super::CalledName;
use super::lexer::{Lexer, Token};

/// Longer names than this are not kept: they are generated.
const MAX_NAME_BYTES: usize = 256;

const KEYWORDS: &[&str] = &[
    "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue",
    "def", "del", "elif", "else", "except", "finally", "for", "from", "global", "if", "import",
    "in", "is", "lambda", "nonlocal", "not", "or", "pass", "raise", "return", "try", "while",
    "with", "yield",
];

/// The calls of a file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct FileCalls {
    statements: Vec<Statement>,
}

/// A logical line that calls something.
#[derive(Debug, PartialEq, Eq)]
struct Statement {
    first_line: u32,
    last_line: u32,
    calls: Vec<Call>,
}

#[derive(Debug, PartialEq, Eq)]
struct Call {
    /// The line of the name's last part, which is the line that the interpreter gives the call.
    line: u32,
    called: CalledName,
}

impl FileCalls {
    pub(super) fn parse(text: &str) -> Self {
        let mut file = Self::default();
        let mut parser = StatementParser::default();
        for (token, line) in Lexer::new(text).chain([(Token::End, u32::MAX)]) {
            if token == Token::End {
                file.statements.extend(std::mem::take(&mut parser).finish());
            } else {
                parser.token(token, line);
            }
        }
        file
    }

    pub(super) fn on_line(&self, line: u32) -> Vec<CalledName> {
        let index = self
            .statements
            .partition_point(|statement| statement.last_line < line);
        let Some(statement) = self
            .statements
            .get(index)
            .filter(|it| it.first_line <= line)
        else {
            return Vec::new();
        };
        let named_here: Vec<CalledName> = statement
            .calls
            .iter()
            .filter(|call| call.line == line)
            .map(|call| call.called.clone())
            .collect();
        if !named_here.is_empty() {
            return named_here;
        }
        statement
            .calls
            .iter()
            .map(|call| call.called.clone())
            .collect()
    }
}

/// A primary expression under way.
#[derive(Debug, Default)]
struct Primary {
    name: String,
    line: u32,
    is_awaited: bool,
    /// Its last call so far: the one whose result an `await` in front of it takes.
    latest_call: Option<usize>,
}

#[derive(Debug, Default)]
struct StatementParser {
    lines: Option<(u32, u32)>,
    first_name: Option<String>,
    latest: Option<char>,
    calls: Vec<Call>,
    current: Option<Primary>,
    /// What each open bracket belongs to; `None` for a group, a list or the like.
    brackets: Vec<Option<Primary>>,
    awaits_next: bool,
    after_dot: bool,
    after_async: bool,
    after_definition: bool,
    in_async_with: bool,
    in_async_for: bool,
}

impl StatementParser {
    fn token(&mut self, token: Token<'_>, line: u32) {
        let first_line = self.lines.map_or(line, |(first, _)| first);
        self.lines = Some((first_line, line));
        self.latest = None;
        match token {
            Token::Name(name) => self.name(name, line),
            Token::Text => self.begin(String::new(), line),
            Token::Number => self.end_primary(),
            Token::Mark(mark) => {
                self.latest = Some(mark);
                self.mark(mark);
            }
            Token::End => {}
        }
        self.after_dot = token == Token::Mark('.');
    }

    fn name(&mut self, name: &str, line: u32) {
        self.first_name.get_or_insert_with(|| name.to_owned());
        if self.after_dot {
            self.extend(name, line);
        } else if KEYWORDS.contains(&name) {
            self.keyword(name);
        } else if std::mem::take(&mut self.after_definition) {
            self.end_primary();
        } else {
            self.begin(name.to_owned(), line);
        }
    }

    fn keyword(&mut self, keyword: &str) {
        self.end_primary();
        let after_async = std::mem::take(&mut self.after_async);
        self.after_definition = matches!(keyword, "def" | "class");
        self.after_async = keyword == "async";
        self.in_async_with |= after_async && keyword == "with";
        self.in_async_for |= after_async && keyword == "for";
        self.awaits_next = match keyword {
            "await" => true,
            "with" => after_async,
            "in" => std::mem::take(&mut self.in_async_for),
            _ => false,
        };
    }

    fn mark(&mut self, mark: char) {
        match mark {
            '.' => {}
            '(' => self.open_call(),
            '[' => self.open("[]"),
            '{' => self.open_group(),
            ')' | ']' | '}' => self.close(),
            _ => {
                self.end_primary();
                self.awaits_next = mark == ',' && self.in_async_with && self.brackets.is_empty();
            }
        }
    }

    fn begin(&mut self, name: String, line: u32) {
        self.end_primary();
        let is_awaited = std::mem::take(&mut self.awaits_next);
        self.current = Some(Primary {
            name,
            line,
            is_awaited,
            latest_call: None,
        });
    }

    fn extend(&mut self, name: &str, line: u32) {
        if let Some(primary) = &mut self.current {
            primary.name.push('.');
            primary.name.push_str(name);
            primary.line = line;
        }
    }

    fn end_primary(&mut self) {
        let Some(primary) = self.current.take() else {
            return;
        };
        let call = primary
            .latest_call
            .and_then(|index| self.calls.get_mut(index));
        if let Some(call) = call.filter(|_| primary.is_awaited) {
            call.called.is_awaited = true;
        }
    }

    fn open_call(&mut self) {
        if let Some(primary) = &mut self.current
            && !primary.name.is_empty()
            && primary.name.len() <= MAX_NAME_BYTES
        {
            primary.latest_call = Some(self.calls.len());
            let name = primary.name.as_str().into();
            let called = CalledName {
                name,
                is_awaited: false,
            };
            self.calls.push(Call {
                line: primary.line,
                called,
            });
        }
        self.open("()");
    }

    /// Opens a bracket that belongs to the primary under way, or to none.
    fn open(&mut self, suffix: &str) {
        match self.current.take() {
            Some(mut primary) => {
                primary.name.push_str(suffix);
                self.brackets.push(Some(primary));
            }
            None => self.brackets.push(None),
        }
    }

    fn open_group(&mut self) {
        self.end_primary();
        self.brackets.push(None);
    }

    fn close(&mut self) {
        self.end_primary();
        self.awaits_next = false;
        // What follows a group goes on from an expression without a name.
        let opened = self.brackets.pop().flatten();
        self.current = Some(opened.unwrap_or_default());
    }

    fn finish(mut self) -> Option<Statement> {
        self.end_primary();
        while let Some(primary) = self.brackets.pop() {
            self.current = primary;
            self.end_primary();
        }
        self.drop_patterns();
        let (first_line, last_line) = self.lines?;
        let calls = self.calls;
        (!calls.is_empty()).then_some(Statement {
            first_line,
            last_line,
            calls,
        })
    }

    /// `match (subject):` calls nothing named so, and what looks like calls in `case Point(x):` are
    /// patterns.
    fn drop_patterns(&mut self) {
        let is_header = self.latest == Some(':');
        match self.first_name.as_deref() {
            Some("case") if is_header => self.calls.clear(),
            Some("match") if is_header => self.calls.retain(|call| &*call.called.name != "match"),
            _ => {}
        }
    }
}
