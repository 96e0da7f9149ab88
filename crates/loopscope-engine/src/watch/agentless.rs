//! Python processes that the agent stayed out of, or that have interpreters besides the one it is in, and why.
//!
//! A process that has not imported asyncio has no agent and wants none. One whose loop runs should have one; it
//! says so itself before its first loop is made. Where it does not, how the interpreter was started tells why.

use std::fs;
use std::path::Path;

use loopscope_inspect::PythonVersion;
use loopscope_recorder::environment;

use crate::observation::{LoopRuntime, ProcessRuntime};
use crate::time::Nanos;

/// A loop that has been known for this long has an agent beside it or gets none.
const WAIT: Nanos = Nanos::from_millis(2_000);

/// The oldest version that the agent knows.
const OLDEST: (u8, u8) = (3, 9);

/// Options of the interpreter that keep the agent out, and what each does.
const OPTIONS: [(char, &str); 3] = [
    ('I', "isolates it from its environment"),
    ('E', "makes it ignore PYTHONPATH"),
    ('S', "leaves the `site` module out"),
];

/// Options that take the next word, or the rest of their own.
const WITH_VALUE: [char; 2] = ['W', 'X'];

/// Waits for the agent of one process.
#[derive(Debug, Default)]
pub(super) struct Agentless {
    loop_since: Option<Nanos>,
    is_decided: bool,
    has_told_of_others: bool,
}

/// What is known of a process whose agent does not come.
pub(super) struct Suspect<'a> {
    pub(super) pid: u32,
    pub(super) executable: &'a str,
    pub(super) runtime: ProcessRuntime,
    /// The interpreter's version, where it could be read.
    pub(super) version: Option<PythonVersion>,
}

impl Agentless {
    /// Why the process has no agent, said once. `runtimes` are the kinds of loop that it has.
    pub(super) fn look(
        &mut self,
        suspect: &Suspect<'_>,
        has_agent: bool,
        runtimes: &[LoopRuntime],
        now: Nanos,
    ) -> Option<String> {
        if self.is_decided || runtimes.is_empty() {
            return None;
        }
        if has_agent {
            self.is_decided = true;
            return None;
        }
        let since = *self.loop_since.get_or_insert(now);
        if now.since(since) < WAIT {
            return None;
        }
        self.is_decided = true;
        suspect.reason(runtimes)
    }

    /// Why the agent is in no other interpreter of the process, said once, where one of them has a loop.
    pub(super) fn look_beside(&mut self, has_agent: bool, has_loop: bool) -> Option<String> {
        // Where there is no agent at all, that was said of the whole process.
        if !has_agent || !has_loop || self.has_told_of_others {
            return None;
        }
        self.has_told_of_others = true;
        Some("the agent stays in the first interpreter of a process".to_owned())
    }
}

impl Suspect<'_> {
    fn reason(&self, runtimes: &[LoopRuntime]) -> Option<String> {
        if !self.is_python() || !self.was_meant() {
            return None;
        }
        let known = self.known_reason();
        let is_asyncio =
            |runtime: &LoopRuntime| matches!(runtime, LoopRuntime::Asyncio | LoopRuntime::Uvloop);
        // What runs may be another library's loop, of which the agent knows nothing anyway.
        let is_odd = self.version.is_some() && runtimes.iter().any(is_asyncio);
        known.or_else(|| is_odd.then(unknown_reason))
    }

    fn is_python(&self) -> bool {
        self.runtime == ProcessRuntime::Python || program(self.executable).starts_with("pypy")
    }

    /// Whether the process was told to take the agent. One that lost its environment was as well.
    fn was_meant(&self) -> bool {
        let environment = fs::read(format!("/proc/{}/environ", self.pid)).unwrap_or_default();
        let has = |name: &str| {
            let mut variables = environment.split(|byte| *byte == 0);
            variables.any(|variable| variable.starts_with(format!("{name}=").as_bytes()))
        };
        has(environment::INTRODUCE) || !has(environment::RUN_ID)
    }

    fn known_reason(&self) -> Option<String> {
        let program = program(self.executable);
        if program.starts_with("pypy") {
            return Some("it runs on PyPy, which the agent does not know".to_owned());
        }
        if is_without_lock(program) {
            let reason =
                "it runs on an interpreter without the global lock, which the agent does not know";
            return Some(reason.to_owned());
        }
        if let Some(version) = self
            .version
            .filter(|known| (known.major, known.minor) < OLDEST)
        {
            return Some(format!(
                "it runs on Python {version}; the agent knows 3.9 and later"
            ));
        }
        let words = fs::read(format!("/proc/{}/cmdline", self.pid)).ok()?;
        option(&words).map(|(letter, effect)| {
            format!("it was started with -{letter}, which {effect}; start it without that to have them watched")
        })
    }
}

fn unknown_reason() -> String {
    "the agent did not come into it; was PYTHONPATH changed on the way?".to_owned()
}

fn program(executable: &str) -> &str {
    let name = Path::new(executable).file_name();
    name.and_then(|name| name.to_str()).unwrap_or_default()
}

/// `python3.13t`.
fn is_without_lock(program: &str) -> bool {
    let rest = program
        .strip_prefix("python")
        .and_then(|rest| rest.strip_suffix('t'));
    rest.is_some_and(|rest| rest.ends_with(|c: char| c.is_ascii_digit()))
}

/// Where in a command line the interpreter's name stands: first, or behind the loader that was told to start it
/// and the loader's own options, each with a value.
fn own_name(words: &[u8]) -> usize {
    let mut words = words.split(|byte| *byte == 0).map(String::from_utf8_lossy);
    let first = words.next().unwrap_or_default();
    if !program(&first).starts_with("ld-linux") {
        return 0;
    }
    let mut place = 1;
    while words.next().is_some_and(|word| word.starts_with("--")) {
        words.next();
        place += 2;
    }
    place
}

/// The option among an interpreter's own that keeps the agent out.
fn option(words: &[u8]) -> Option<(char, &'static str)> {
    let all: Vec<&[u8]> = words.split(|byte| *byte == 0).collect();
    let mut words = all.into_iter().skip(own_name(words) + 1);
    while let Some(word) = words.next() {
        let word = std::str::from_utf8(word).ok()?;
        let letters = word.strip_prefix('-').filter(|rest| !rest.is_empty())?;
        if letters.starts_with('-') {
            // `--check-hash-based-pycs always`.
            words.next();
            continue;
        }
        for (place, letter) in letters.char_indices() {
            if let Some(found) = OPTIONS.iter().find(|(known, _)| *known == letter) {
                return Some(*found);
            }
            if letter == 'c' || letter == 'm' {
                return None;
            }
            if WITH_VALUE.contains(&letter) {
                if place + 1 == letters.len() {
                    words.next();
                }
                break;
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(command: &str) -> Option<char> {
        let words: Vec<u8> = command.replace(' ', "\0").into_bytes();
        option(&words).map(|(letter, _)| letter)
    }

    #[test]
    fn an_option_is_found_among_the_interpreters_own_only() {
        assert_eq!(letter("python3 -I app.py"), Some('I'));
        assert_eq!(letter("python3 -uE -m app"), Some('E'));
        assert_eq!(letter("python3 -X dev -S app.py"), Some('S'));
        assert_eq!(letter("python3 -Xdev -W error -Bs app.py -I"), None);
        assert_eq!(letter("python3 -m app -S"), None);
        assert_eq!(letter("python3 -c import -E"), None);
        assert_eq!(letter("python3 - -I"), None);
        assert_eq!(letter("python3"), None);
        let loader =
            "/lib64/ld-linux-x86-64.so.2 --library-path /opt/lib /opt/bin/python3.14 -I -c";
        assert_eq!(letter(loader), Some('I'));
    }

    #[test]
    fn an_interpreter_without_the_lock_is_known_by_its_name() {
        assert!(is_without_lock("python3.13t"));
        assert!(!is_without_lock("python3.13") && !is_without_lock("pythonist"));
    }

    #[test]
    fn nothing_is_said_while_the_agent_may_yet_come_and_never_twice() {
        let own = Suspect {
            pid: std::process::id(),
            executable: "/opt/pypy/bin/pypy3.11",
            runtime: ProcessRuntime::Native,
            version: None,
        };
        let mut agentless = Agentless::default();
        let mut look = |runtimes: &[LoopRuntime], second: u64| {
            let now = Nanos::from_millis(second * 1_000);
            agentless.look(&own, false, runtimes, now)
        };
        assert_eq!(look(&[], 100), None, "it has no loop");
        assert_eq!(look(&[LoopRuntime::Epoll], 101), None);
        let said = look(&[LoopRuntime::Epoll], 104).unwrap();
        assert!(said.contains("PyPy"), "{said}");
        assert_eq!(look(&[LoopRuntime::Epoll], 110), None);
    }

    #[test]
    fn a_loop_in_another_interpreter_is_told_once_and_only_beside_the_agent() {
        let mut agentless = Agentless::default();
        assert_eq!(agentless.look_beside(true, false), None);
        assert_eq!(agentless.look_beside(false, true), None);
        let said = agentless.look_beside(true, true).unwrap();
        assert!(said.contains("first interpreter"), "{said}");
        assert_eq!(agentless.look_beside(true, true), None);
    }

    #[test]
    fn a_native_program_and_one_with_its_agent_are_passed_over() {
        let look = |runtime, executable, has_agent| {
            let suspect = Suspect {
                pid: std::process::id(),
                executable,
                runtime,
                version: None,
            };
            let mut agentless = Agentless::default();
            let mut at = |second: u64| {
                let now = Nanos::from_millis(second * 1_000);
                agentless.look(&suspect, has_agent, &[LoopRuntime::Epoll], now)
            };
            at(1).or_else(|| at(9))
        };
        assert_eq!(look(ProcessRuntime::Native, "/usr/bin/server", false), None);
        assert_eq!(
            look(ProcessRuntime::Python, "/usr/bin/python3.13t", true),
            None
        );
        assert!(look(ProcessRuntime::Python, "/usr/bin/python3.13t", false).is_some());
    }
}
