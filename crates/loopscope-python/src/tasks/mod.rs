//! Tasks: each one's creation with its site, its end, and what became of its exception.
//!
//! [`hooks`] says when something happens to a task; this module knows the tasks and writes it down. Nothing
//! is called back into Python while the state is held.

mod capture;
mod failures;
pub(crate) mod handlers;
pub(crate) mod hooks;
mod origin;
pub(crate) mod registry;
mod sites;
mod state;
mod table;
mod taken;

pub(crate) use capture::{Callers, Effort, Told, is_own_file, type_name};
pub(crate) use loopscope_recorder::writer::Limiter;
pub(crate) use origin::{function_of, text};
pub(crate) use state::{Samples, calibrate};

use loopscope_recorder::clock::coarse_nanos;
use loopscope_recorder::layout::LoopOwner;
use loopscope_recorder::writer::{Exclusive, Recording, TaskOutcome, TaskSiteSpec, TaskSiteWriter};
use pyo3::{Bound, Py, PyAny, Python};

use crate::frames::{Place, Walker};
use crate::gil::GilCell;
use crate::hash::AddressMap;
use crate::process::{self, Bound as Process};
use failures::Failures;
use origin::{Origins, Walked};
use sites::SiteTexts;
use state::State;
use table::Table;

/// Code objects that one creation may have to judge: as many as there are frames of asyncio on the way up.
const MOST_STEPS: usize = 64;

static TASKS: GilCell<Tasks> = GilCell::new(Tasks::new());

/// All that is known of the process's tasks.
struct Tasks {
    process: Process,
    walker: Option<Walker>,
    /// The folder of asyncio.
    own_folder: Option<Py<PyAny>>,
    /// The C implementation's `get_name`.
    get_name: Option<Py<PyAny>>,
    origins: Option<Origins>,
    sites: Vec<Site>,
    by_key: AddressMap<SiteKey, u32>,
    table: Option<Table>,
    failures: Failures,
}

struct Site {
    writer: TaskSiteWriter<Exclusive>,
    owner: LoopOwner,
}

/// A site is known by its thread, for which its loop stands, its place in the code, and what its tasks run.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct SiteKey {
    thread_id: u32,
    place: Place,
    /// The address of the coroutine's code object, 0 where there is none.
    running: usize,
}

/// What a creation lacks, to be got outside of the state.
enum Lack {
    Nothing,
    /// Whether a code object is passed over.
    Judgement(Place),
    /// Where the task's coroutine comes from, since nobody asked for the task.
    Coroutine,
    /// The texts of a site.
    Site(SiteKey),
}

/// Begins to know tasks. `own_folder` is asyncio's, `get_name` the C task's method.
pub(crate) fn begin(py: Python<'_>, own_folder: &Bound<'_, PyAny>, get_name: &Bound<'_, PyAny>) {
    let walker = Walker::new(py);
    TASKS.with(py, |tasks| {
        tasks.walker = Some(walker);
        tasks.own_folder = Some(own_folder.clone().unbind());
        tasks.get_name = Some(get_name.clone().unbind());
        tasks.origins.get_or_insert_with(Origins::new);
    });
}

/// The way to this thread's frames; `None` before tasks are watched.
pub(crate) fn walker(py: Python<'_>) -> Option<Walker> {
    TASKS.with(py, |tasks| tasks.walker).flatten()
}

/// The name of a task; empty before tasks are watched.
pub(crate) fn name_of(task: &Bound<'_, PyAny>) -> String {
    let py = task.py();
    let get_name = TASKS.with(py, |tasks| Some(tasks.get_name.as_ref()?.clone_ref(py)));
    let get_name = get_name.flatten();
    capture::task_name(task, get_name.as_ref().map(|get_name| get_name.bind(py)))
}

/// A task that runs this was created, and may have ended already.
pub(crate) fn created(task: &Bound<'_, PyAny>, coroutine: &Bound<'_, PyAny>) {
    let py = task.py();
    let mut asker = None;
    for _ in 0..MOST_STEPS {
        match TASKS.with(py, |tasks| tasks.create(task, coroutine, asker)) {
            None | Some(Lack::Nothing) => break,
            Some(Lack::Judgement(place)) => {
                if !sites::judge(py, place) {
                    break;
                }
            }
            Some(Lack::Coroutine) => {
                asker = sites::place_of_coroutine(coroutine);
                if asker.is_none() {
                    break;
                }
            }
            Some(Lack::Site(key)) => sites::make(coroutine, key),
        }
    }
    stepped(task);
}

/// A step of a task is over; it may have been its last.
#[inline]
pub(crate) fn stepped(task: &Bound<'_, PyAny>) {
    // The step may have taken another task's exception.
    failures::look_again(task.py());
    handlers::tell_waiting(task.py());
    match state::of(task) {
        State::Pending => {}
        State::Returned => ended(task, TaskOutcome::Done),
        State::Cancelled => ended(task, TaskOutcome::Cancelled),
        State::Failed => failures::failed(task),
    }
}

/// A task is about to go away.
pub(crate) fn gone(task: &Bound<'_, PyAny>) {
    match state::of(task) {
        // Its loop was closed over it, or it was lost: it will not end any more.
        State::Pending => ended(task, TaskOutcome::Cancelled),
        // That was seen when its last step ended.
        State::Returned | State::Cancelled => {}
        State::Failed => failures::gone(task),
    }
}

/// A task of which there is no more to tell than how it ended. Those that are not known are passed over.
fn ended(task: &Bound<'_, PyAny>, outcome: TaskOutcome) {
    let address = task.as_ptr().addr();
    TASKS.with(task.py(), |tasks| tasks.end(address, outcome));
}

impl Tasks {
    const fn new() -> Self {
        Self {
            process: Process::NONE,
            walker: None,
            own_folder: None,
            get_name: None,
            origins: None,
            sites: Vec::new(),
            by_key: AddressMap::with_hasher(std::hash::BuildHasherDefault::new()),
            table: None,
            failures: Failures::new(),
        }
    }

    /// The recording of this process. What is known of another one's tasks is forgotten first.
    #[inline]
    fn recording(&mut self) -> Option<Recording> {
        if self.process.epoch == 0 || self.process.epoch != process::epoch() {
            self.follow();
        }
        self.process.recording
    }

    #[cold]
    fn follow(&mut self) {
        self.process = process::bind();
        self.sites.clear();
        self.by_key.clear();
        self.table = Some(Table::default());
    }

    fn create(
        &mut self,
        task: &Bound<'_, PyAny>,
        coroutine: &Bound<'_, PyAny>,
        asker: Option<Place>,
    ) -> Lack {
        let (Some(_), Some(walker)) = (self.recording(), self.walker) else {
            return Lack::Nothing;
        };
        let Some(origins) = &mut self.origins else {
            return Lack::Nothing;
        };
        let walked = asker.map_or_else(|| origins.walk(task.py(), &walker), Walked::Asker);
        let place = match walked {
            Walked::Asker(place) => place,
            Walked::Unjudged(place) => return Lack::Judgement(place),
            Walked::Nobody => return Lack::Coroutine,
        };
        let key = SiteKey {
            thread_id: process::thread_id(self.process.epoch),
            place,
            running: state::code_address(coroutine),
        };
        let Some(site) = self.by_key.get(&key).copied() else {
            return Lack::Site(key);
        };
        self.count_creation(task.as_ptr().addr(), site);
        Lack::Nothing
    }

    fn count_creation(&mut self, address: usize, site: u32) {
        let Some(table) = &mut self.table else {
            return;
        };
        let (oldest, missed) = table.insert(address, site, coarse_nanos());
        if let Some(site) = missed.and_then(|site| self.sites.get(site as usize)) {
            site.writer.ended(TaskOutcome::Cancelled, 1);
        }
        if let Some(site) = self.sites.get(site as usize) {
            site.writer.spawned(1);
            site.writer.set_oldest_at(oldest);
        }
    }

    /// Counts a task's end. Returns its site; `None` where the task is not known.
    fn end(&mut self, address: usize, outcome: TaskOutcome) -> Option<u32> {
        self.recording()?;
        let (index, oldest) = self.table.as_mut()?.remove(address)?;
        let site = self.sites.get(index as usize)?;
        site.writer.ended(outcome, 1);
        site.writer.set_oldest_at(oldest);
        Some(index)
    }

    /// A new site; its key's addresses are kept. A thread's first task is a site that it did not have before:
    /// a loop runs on it, or is about to.
    fn add_site(&mut self, key: SiteKey, texts: &SiteTexts) -> Option<()> {
        let owner = LoopOwner::Thread(key.thread_id);
        let recording = self.recording()?;
        process::expect_loop();
        let writer = recording.task_site(&TaskSiteSpec {
            owner,
            file: &texts.file,
            line: texts.line,
            function: &texts.function,
            coroutine: &texts.coroutine,
        })?;
        let index = self.sites.len() as u32;
        let writer = writer.exclusive();
        self.sites.push(Site { writer, owner });
        self.by_key.insert(key, index);
        Some(())
    }
}
