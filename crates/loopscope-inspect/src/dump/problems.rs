//! What could not be read, in words.

use std::borrow::Cow;

use crate::error::{ReadError, ReadResult};

/// Kinds of problems that are told apart; a target has a handful at most.
const MAX_PROBLEMS: usize = 64;

/// Problems of a dump, each kind with how often it came up.
#[derive(Debug, Default)]
pub(super) struct Problems {
    kinds: Vec<Problem>,
}

#[derive(Debug)]
struct Problem {
    what: Cow<'static, str>,
    first: Option<ReadError>,
    count: usize,
}

impl Problems {
    /// Notes a problem; fails where nothing can be read any more.
    pub(super) fn note(&mut self, what: &'static str, error: ReadError) -> ReadResult<()> {
        if error.is_final() {
            return Err(error);
        }
        self.count(what.into(), Some(error));
        Ok(())
    }

    /// Notes a problem that is no failure to read.
    pub(super) fn say(&mut self, what: impl Into<Cow<'static, str>>) {
        self.count(what.into(), None);
    }

    /// The value, or its absent form where it could not be read, which is noted.
    pub(super) fn take<T: Default>(
        &mut self,
        what: &'static str,
        outcome: ReadResult<T>,
    ) -> ReadResult<T> {
        match outcome {
            Ok(value) => Ok(value),
            Err(error) => self.note(what, error).map(|()| T::default()),
        }
    }

    fn count(&mut self, what: Cow<'static, str>, first: Option<ReadError>) {
        if let Some(known) = self.kinds.iter_mut().find(|known| known.what == what) {
            known.count += 1;
        } else if self.kinds.len() < MAX_PROBLEMS {
            self.kinds.push(Problem {
                what,
                first,
                count: 1,
            });
        }
    }

    /// Each kind as a sentence.
    pub(super) fn sentences(&self) -> Vec<String> {
        self.kinds.iter().map(Problem::sentence).collect()
    }
}

impl Problem {
    fn sentence(&self) -> String {
        let times = match self.count {
            1 => String::new(),
            count => format!(" ({count} times)"),
        };
        match &self.first {
            Some(error) => format!("{}{times}: {error}", self.what),
            None => format!("{}{times}", self.what),
        }
    }
}

/// The value, or its absent form where it could not be read, which becomes the problem of the object that
/// it belongs to. Fails where nothing can be read any more.
pub(super) fn soft<T: Default>(
    outcome: ReadResult<T>,
    what: &str,
    problem: &mut Option<String>,
) -> ReadResult<T> {
    match outcome {
        Ok(value) => Ok(value),
        Err(error) if error.is_final() => Err(error),
        Err(error) => {
            problem.get_or_insert_with(|| format!("{what} could not be read: {error}"));
            Ok(T::default())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::MemoryError;

    #[test]
    fn a_problem_that_comes_up_again_is_counted() {
        let mut problems = Problems::default();
        let error = ReadError::Unexpected {
            expected: "a task",
            address: 64,
        };
        problems.note("a task could not be read", error).unwrap();
        problems.note("a task could not be read", error).unwrap();
        problems.say("the list was cut");
        assert_eq!(
            problems.sentences(),
            [
                "a task could not be read (2 times): not a task at address 0x40",
                "the list was cut",
            ]
        );
    }

    #[test]
    fn a_process_that_is_gone_is_no_problem_of_a_part() {
        let gone = ReadError::Memory(MemoryError::Gone);
        assert_eq!(Problems::default().note("a task", gone), Err(gone));
        assert_eq!(soft::<u64>(Err(gone), "its name", &mut None), Err(gone));
    }
}
