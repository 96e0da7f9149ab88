//! Probing on every interpreter, of tasks in every state.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use super::*;
use crate::layout::Layout;
use crate::locate::{self, Interpreter};
use crate::memory::{MemoryError, ProcessMemory};
use crate::pythons::{self, Python};

/// `many_waits.py`, ready and standing still.
struct Target {
    child: Child,
    interpreter: Interpreter,
    tasks: Vec<u64>,
}

impl Target {
    fn start(python: &Python, arguments: &[&str]) -> Self {
        let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/programs/many_waits.py");
        let mut child = Command::new(&python.path)
            .arg(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap())
            .read_line(&mut line)
            .unwrap();
        let addresses = line
            .strip_prefix("ready ")
            .unwrap()
            .split_ascii_whitespace();
        let tasks = addresses.map(|word| word.parse().unwrap()).collect();
        let interpreter = locate::locate(child.id(), &ProcessMemory::new(child.id())).unwrap();
        Self {
            child,
            interpreter,
            tasks,
        }
    }

    fn reader(&self, layout: Layout) -> ObjectReader<ProcessMemory> {
        ObjectReader::new(ProcessMemory::new(self.child.id()), layout)
    }
}

/// Each interpreter with its own loop, and with uvloop where it has that. Started once for all tests; they
/// end when this program does, since their input ends then.
fn targets() -> &'static [Target] {
    static TARGETS: OnceLock<Vec<Target>> = OnceLock::new();
    TARGETS.get_or_init(|| {
        let starts = |python: &Python| {
            let with_uvloop = python.has_uvloop.then_some(["uvloop"].as_slice());
            [Some([].as_slice()), with_uvloop]
        };
        pythons::all()
            .iter()
            .flat_map(|python| starts(python).map(|arguments| (python, arguments)))
            .filter_map(|(python, arguments)| Some(Target::start(python, arguments?)))
            .collect()
    })
}

#[test]
fn the_tables_hold_on_every_interpreter() {
    for target in targets() {
        let layout = target.interpreter.layout;
        let mut reader = target.reader(layout);
        assert_eq!(
            reader.fit_tasks(&target.tasks),
            Ok(TaskFit::Table),
            "{}",
            target.interpreter.version
        );
        assert_eq!(reader.layout, layout);
    }
}

#[test]
fn probing_with_no_table_gives_the_table_on_every_interpreter() {
    for target in targets() {
        let layout = target.interpreter.layout;
        let mut reader = target.reader(layout);
        let (facts, sample) = reader.native_sample(&target.tasks).unwrap().unwrap();
        assert_eq!(sample, target.tasks);
        assert_eq!(
            reader.probe(facts, &sample),
            Ok(Some((layout.future, layout.task))),
            "{}",
            target.interpreter.version
        );
    }
}

/// A layout, and what is wrong with it.
type Scrambled = (&'static str, Layout);

/// A field by its name.
type Field = (&'static str, fn(&mut Layout) -> &mut u64);

/// Each field that tasks are read by, eight bytes off to both sides.
fn scrambled(layout: Layout) -> Vec<Scrambled> {
    let fields: &[Field] = &[
        ("future size", |layout| &mut layout.future.size),
        ("loop", |layout| &mut layout.future.event_loop),
        ("first callback", |layout| &mut layout.future.callback0),
        ("callbacks", |layout| &mut layout.future.callbacks),
        ("exception", |layout| &mut layout.future.exception),
        ("result", |layout| &mut layout.future.result),
        ("state", |layout| &mut layout.future.state),
        ("task size", |layout| &mut layout.task.size),
        ("waiter", |layout| &mut layout.task.fut_waiter),
        ("coroutine", |layout| &mut layout.task.coroutine),
        ("name", |layout| &mut layout.task.name),
        ("context", |layout| &mut layout.task.context),
        ("flag", |layout| &mut layout.task.must_cancel.offset),
    ];
    let scramble = |(name, field): &Field| {
        [8_u64, 8_u64.wrapping_neg()].map(|by| {
            let mut wrong = layout;
            let slot = field(&mut wrong);
            *slot = slot.wrapping_add(by);
            (*name, wrong)
        })
    };
    fields.iter().flat_map(scramble).collect()
}

#[test]
fn a_scrambled_table_is_noticed_and_put_right() {
    for target in targets() {
        let layout = target.interpreter.layout;
        for (name, wrong) in scrambled(layout) {
            let mut reader = target.reader(wrong);
            assert_eq!(
                reader.fit_tasks(&target.tasks),
                Ok(TaskFit::Probed),
                "{name} on {}",
                target.interpreter.version
            );
            let right = Layout {
                source: LayoutSource::Probed,
                ..layout
            };
            assert_eq!(reader.layout, right, "{name}");
        }
    }
}

/// The table of another version on every interpreter: nothing of it is where it should be.
#[test]
fn the_table_of_another_version_is_noticed_and_put_right() {
    for target in targets() {
        let layout = target.interpreter.layout;
        for minor in 9..=15 {
            let (major, patch) = (3, 0);
            let version = PythonVersion {
                major,
                minor,
                patch,
            };
            let other = Layout::for_version(version).unwrap();
            let wrong = Layout {
                future: other.future,
                task: other.task,
                ..layout
            };
            if wrong == layout {
                continue;
            }
            let mut reader = target.reader(wrong);
            assert_eq!(reader.fit_tasks(&target.tasks), Ok(TaskFit::Probed));
            assert_eq!(
                (reader.layout.future, reader.layout.task),
                (layout.future, layout.task)
            );
        }
    }
}

#[test]
fn lists_that_run_through_another_place_leave_tasks_unread() {
    for target in targets() {
        let TaskRegistry::LinkedLists(mut lists) = target.interpreter.layout.task_registry else {
            continue;
        };
        lists.node -= 8;
        let mut reader = target.reader(Layout {
            task_registry: TaskRegistry::LinkedLists(lists),
            ..target.interpreter.layout
        });
        assert_eq!(reader.fit_tasks(&target.tasks), Ok(TaskFit::Unknown));
    }
}

/// A process in which one word is another.
#[derive(Clone)]
struct Altered {
    truth: ProcessMemory,
    at: u64,
    word: u64,
}

impl Memory for Altered {
    fn read(&self, address: u64, buffer: &mut [u8]) -> Result<(), MemoryError> {
        self.truth.read(address, buffer)?;
        for (index, byte) in self.word.to_le_bytes().into_iter().enumerate() {
            let place = (self.at + index as u64).wrapping_sub(address);
            if let Some(slot) = buffer.get_mut(place as usize) {
                *slot = byte;
            }
        }
        Ok(())
    }
}

#[test]
fn tasks_of_a_size_that_fits_no_known_order_are_left_unread() {
    for target in targets() {
        let layout = target.interpreter.layout;
        let task = target.tasks[0];
        let truth = ProcessMemory::new(target.child.id());
        let class = ObjectReader::new(truth, layout).type_of(task).unwrap();
        let altered = Altered {
            truth,
            at: class.address + layout.type_object.basic_size,
            word: class.basic_size + 24,
        };
        let mut reader = ObjectReader::new(altered, layout);
        let fit = reader.fit_tasks(&target.tasks).unwrap();
        assert_eq!(fit, TaskFit::Unknown);
        let problem = fit.problem(target.interpreter.version).unwrap();
        assert!(problem.starts_with("tasks of Python 3."), "{problem}");
    }
}

#[test]
fn without_native_tasks_the_tables_stand() {
    let target = &targets()[0];
    let mut reader = target.reader(target.interpreter.layout);
    assert_eq!(reader.fit_tasks(&[]), Ok(TaskFit::Table));
    assert_eq!(reader.fit_tasks(&[8, 4096, u64::MAX]), Ok(TaskFit::Table));
}
