//! The looking: recordings, `/proc` and the inspector in, observations out.
//!
//! The only part of the engine with I/O. [`Watcher`] finds the recordings of a run, reads each loop when
//! it may have crossed the stall threshold and not before, and looks at the thread of one that has. It
//! decides nothing: what it sees goes into [`Observation`]s, and the rules behind them see only those.

mod agentless;
mod arrivals;
mod attach;
mod attach_desk;
mod drivers;
mod folders;
mod glance;
mod held;
mod kin;
mod limits;
mod mapped;
mod native;
mod observer;
mod out_of_reach;
mod sampling;
mod schedule;
mod stranger;
mod tables;
#[cfg(test)]
mod testing;
mod turns;
mod unwatched;
mod waits;
mod watched_loop;
mod watched_loops;
mod watched_process;
mod workers;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use loopscope_inspect::kernel;
use loopscope_recorder::folder::{list_recordings, readable_folders, shared_folders};
use loopscope_recorder::reader::{ReadError, RecordingReader};

pub use kin::Kin;
pub use observer::{Observer, ObserverOptions, Outcome, Publish, Teller, nothing_seen};
pub use unwatched::PulseObject;

use crate::observation::{Ending, Fact, Observation, ProcessInfo, ProcessKey, ProcessRuntime};
use crate::time::Nanos;
use attach_desk::AttachDesk;
use folders::Folders;
use limits::Limits;
use out_of_reach::OutOfReach;
use schedule::Schedule;
use unwatched::Unwatched;
use watched_process::{ASKED_TO_END, Pace, WatchedProcess};

/// What is not due at an exact instant is done so much earlier where the observer is awake anyhow. So the
/// processes of a service come to be looked at together, at one waking instead of one for each.
const EARLY: Nanos = Nanos::from_millis(20);

/// The folders are asked for new recordings this often.
const DISCOVERY: Nanos = Nanos::from_millis(100);

/// All folders that may hold recordings of this run are searched this often, whatever their stamps say.
const DISCOVERY_ELSEWHERE: Nanos = Nanos::from_millis(2_000);

/// A recording that is just being made is looked at again after this, for as long after something appeared in
/// the folder as making one can take.
const SOON: Nanos = Nanos::from_millis(5);
const MOST_MAKING: Nanos = Nanos::from_millis(1_000);

/// Recordings out of reach that are told of: of a thousand the first few tell enough.
const MOST_OUT_OF_REACH: usize = 8;

/// A look that comes this much later than it was meant is worth telling.
const LATE: Nanos = Nanos::from_millis(20);

/// What to watch.
#[derive(Clone, Debug)]
pub struct WatchOptions {
    /// The run whose recordings are watched.
    pub run_id: u64,
    /// Where they are.
    pub folder: PathBuf,
    /// The program that the run was started for; told of also when it has no loop.
    pub main_pid: u32,
    /// Its name, for when it ends before it can be looked at.
    pub main_name: String,
    /// The stall threshold that the recordings were given.
    pub stall_threshold: Nanos,
    /// The pulse that the processes of the run are started with; `None` where they are not.
    pub pulse: Option<PulseObject>,
    /// Whose recordings are watched.
    pub scope: Scope,
}

/// Whose recordings are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Those of every process of the run.
    Run,
    /// Those of the main process, which watches itself, and of its descendants: of one that was forked, the run
    /// is its parent's and its siblings' too.
    Descendants,
}

/// Watches the processes of a run.
pub struct Watcher {
    options: WatchOptions,
    schedule: Schedule,
    desk: AttachDesk,
    main: ProcessKey,
    main_told: bool,
    main_resources_due: Nanos,
    main_limits: Limits,
    processes: BTreeMap<PathBuf, WatchedProcess>,
    /// Files that are no concern of this run.
    passed_over: BTreeSet<PathBuf>,
    left_behind: Vec<PathBuf>,
    unwatched: Option<Unwatched>,
    told_out_of_reach: BTreeSet<String>,
    folders: Folders,
    /// When something last appeared in the folder.
    arrived: Option<Nanos>,
    /// A recording was found that is just being made.
    met_unfinished: bool,
    searched: Nanos,
    discovery_due: Nanos,
    elsewhere_due: Nanos,
    due: Nanos,
}

impl Watcher {
    /// A watcher that has looked at nothing yet.
    pub fn new(options: WatchOptions) -> Self {
        let start_ticks = kernel::start_ticks(options.main_pid).unwrap_or(0);
        Self {
            schedule: Schedule::new(options.stall_threshold),
            desk: AttachDesk::open(options.scope, options.main_pid),
            main: ProcessKey {
                pid: options.main_pid,
                start_ticks,
                image: 0,
            },
            main_told: false,
            main_resources_due: Nanos(0),
            main_limits: Limits::default(),
            unwatched: options
                .pulse
                .as_ref()
                .and_then(|pulse| Unwatched::new(pulse, options.main_pid)),
            folders: Folders::new(&options.folder),
            options,
            processes: BTreeMap::new(),
            passed_over: BTreeSet::new(),
            left_behind: Vec::new(),
            told_out_of_reach: BTreeSet::new(),
            arrived: None,
            met_unfinished: false,
            searched: Nanos(0),
            discovery_due: Nanos(0),
            elsewhere_due: Nanos(0),
            due: Nanos(0),
        }
    }

    /// Looks at whatever is due and returns when to look next.
    pub fn look(&mut self, now: Nanos, out: &mut Vec<Observation>) -> Nanos {
        let mut facts = Vec::new();
        if self.due.0 > 0 && now.since(self.due) >= LATE {
            facts.push(Fact::ObserverLate {
                by: now.since(self.due),
            });
        }
        self.tell_main(now, &mut facts);
        self.discover(now, &mut facts);
        self.look_after_unwatched(now, &mut facts);
        let pace = self.pace();
        let mut gone = Vec::new();
        for (path, process) in &mut self.processes {
            if process.due_at_hand() <= now
                && let Some(ending) = process.look(pace, now, &mut facts)
            {
                gone.push((path.clone(), ending));
            }
        }
        for (path, ending) in gone {
            self.part_with(&path, ending, &mut facts);
        }
        out.extend(facts.into_iter().map(|fact| Observation { at: now, fact }));
        self.due = self.next_due(now);
        self.due
    }

    /// Something has appeared in the folder: the next look searches it.
    pub fn arrived(&mut self, now: Nanos) {
        self.arrived = Some(now);
        self.discovery_due = self.discovery_due.min(self.searched.plus(SOON));
    }

    /// The run is over: reads what is left of every process. `main_ending` is how the program ended.
    pub fn finish(&mut self, main_ending: Ending, now: Nanos, out: &mut Vec<Observation>) {
        let mut facts = Vec::new();
        self.end_main(main_ending, now, &mut facts);
        out.extend(facts.into_iter().map(|fact| Observation { at: now, fact }));
    }

    /// The program ended and was started again as this process. Reads what is left of the one before.
    pub fn begin_again(
        &mut self,
        main_ending: Ending,
        pid: u32,
        now: Nanos,
        out: &mut Vec<Observation>,
    ) {
        let mut facts = Vec::new();
        self.end_main(main_ending, now, &mut facts);
        self.main = ProcessKey {
            pid,
            start_ticks: kernel::start_ticks(pid).unwrap_or(0),
            image: 0,
        };
        self.main_told = false;
        self.main_resources_due = Nanos(0);
        self.main_limits = Limits::default();
        if let Some(unwatched) = &mut self.unwatched {
            unwatched.main_pid = pid;
        }
        self.tell_main(now, &mut facts);
        facts.push(Fact::MainStarted { process: self.main });
        out.extend(facts.into_iter().map(|fact| Observation { at: now, fact }));
    }

    fn end_main(&mut self, main_ending: Ending, now: Nanos, facts: &mut Vec<Fact>) {
        self.discovery_due = Nanos(0);
        self.elsewhere_due = Nanos(0);
        self.tell_main(now, facts);
        self.discover(now, facts);
        for (path, mut process) in std::mem::take(&mut self.processes) {
            if process.is_gone() {
                let ending = process.last_look(now, facts);
                self.dispose(path, process.key(), ending, main_ending, facts);
            } else {
                self.processes.insert(path, process);
            }
        }
        let tells_main = |fact: &Fact| match fact {
            Fact::ProcessGone { process, .. } => process.pid == self.main.pid,
            _ => false,
        };
        if !facts.iter().any(tells_main) {
            facts.push(Fact::ProcessGone {
                process: self.main,
                ending: main_ending,
            });
        }
    }

    /// Recordings of processes that did not end in order, for `loopscope postmortem`.
    pub fn left_behind(&self) -> &[PathBuf] {
        &self.left_behind
    }

    /// The program itself, which may well be a shell whose children have the loops.
    fn tell_main(&mut self, now: Nanos, facts: &mut Vec<Fact>) {
        if !self.main_told {
            self.main_told = true;
            let found = kernel::process_facts(self.main.pid);
            let info = ProcessInfo {
                name: found.map_or_else(|| self.options.main_name.clone(), |facts| facts.name),
                runtime: ProcessRuntime::Native,
                parent_pid: kernel::parent_pid(self.main.pid).unwrap_or(0),
                started: now,
                uninspectable: None,
            };
            facts.push(Fact::ProcessSeen {
                process: self.main,
                info,
            });
        }
        let has_recording = || {
            self.processes
                .values()
                .any(|known| known.key().pid == self.main.pid)
        };
        if now >= self.main_resources_due && !has_recording() {
            self.main_resources_due = now.plus(self.pace().resources);
            self.main_limits.read(self.main.pid, now);
            facts.extend(watched_process::resources_of(self.main, &self.main_limits));
        }
    }

    fn look_after_unwatched(&mut self, now: Nanos, facts: &mut Vec<Fact>) {
        if let Some(unwatched) = &mut self.unwatched {
            let processes = &self.processes;
            let is_watched = |pid| processes.values().any(|known| known.key().pid == pid);
            unwatched.look(now, is_watched, facts);
        }
    }

    fn discover(&mut self, now: Nanos, facts: &mut Vec<Fact>) {
        if now.plus(EARLY) >= self.discovery_due {
            self.searched = now;
            self.met_unfinished = false;
            for folder in self.folders.changed() {
                self.search(&folder, now, facts);
            }
            let is_making = self.met_unfinished
                && self
                    .arrived
                    .is_some_and(|arrived| now.since(arrived) < MOST_MAKING);
            self.discovery_due = now.plus(if is_making { SOON } else { DISCOVERY });
        }
        if now >= self.elsewhere_due {
            self.elsewhere_due = now.plus(DISCOVERY_ELSEWHERE);
            self.search(&self.options.folder.clone(), now, facts);
            for folder in self.folders_elsewhere() {
                self.search(&folder, now, facts);
            }
        }
    }

    /// Inside the watched program nothing reads the environment, which is the program's.
    fn folders_elsewhere(&self) -> Vec<PathBuf> {
        match self.options.scope {
            Scope::Run => readable_folders(),
            Scope::Descendants => shared_folders(),
        }
    }

    fn search(&mut self, folder: &Path, now: Nanos, facts: &mut Vec<Fact>) {
        let found = list_recordings(folder).unwrap_or_else(|error| {
            self.leave_out(folder.to_path_buf(), &error, facts);
            Vec::new()
        });
        for path in found {
            if self.processes.contains_key(&path) || self.passed_over.contains(&path) {
                continue;
            }
            match self.open(&path, now) {
                Ok(Some(process)) => self.welcome(path, process, facts),
                Ok(None) => drop(self.passed_over.insert(path)),
                // Being created at this moment, or out of our reach for now: look again next time.
                Err(ReadError::Unfinished { .. }) => self.met_unfinished = true,
                Err(ReadError::File { source, .. }) => self.leave_out(path, &source, facts),
                Err(_) => drop(self.passed_over.insert(path)),
            }
        }
    }

    /// A recording of this run; `None` for any other.
    fn open(&self, path: &Path, now: Nanos) -> Result<Option<WatchedProcess>, ReadError> {
        let reader = RecordingReader::open(path)?;
        if reader.description().run_id != self.options.run_id || !self.is_in_scope(&reader) {
            return Ok(None);
        }
        WatchedProcess::open(reader, self.schedule, &self.desk, now).map(Some)
    }

    fn is_in_scope(&self, reader: &RecordingReader) -> bool {
        let process = || reader.description().process_here();
        match self.options.scope {
            Scope::Run => true,
            Scope::Descendants => {
                process().is_some_and(|process| kin::descends(process.pid, self.main.pid))
            }
        }
    }

    /// Says why a recording cannot be opened, once.
    fn leave_out(&mut self, path: PathBuf, error: &std::io::Error, facts: &mut Vec<Fact>) {
        let Some(found) = OutOfReach::of(&path, error) else {
            return;
        };
        if !found.may_pass {
            self.passed_over.insert(path);
        }
        let has_room = self.told_out_of_reach.len() < MOST_OUT_OF_REACH;
        if has_room && self.told_out_of_reach.insert(found.text().to_owned()) {
            facts.push(found.into_fact());
        }
    }

    /// A process that is already known under an older recording has called `exec`.
    fn welcome(&mut self, path: PathBuf, process: WatchedProcess, facts: &mut Vec<Fact>) {
        let newer = process.key();
        let is_older = |key: ProcessKey| {
            (key.pid, key.start_ticks) == (newer.pid, newer.start_ticks) && key.image < newer.image
        };
        let replaced: Vec<PathBuf> = self
            .processes
            .iter()
            .filter(|(_, known)| is_older(known.key()))
            .map(|(path, _)| path.clone())
            .collect();
        for path in replaced {
            self.part_with(&path, Ending::Closed, facts);
        }
        self.processes.insert(path, process);
    }

    fn part_with(&mut self, path: &Path, ending: Ending, facts: &mut Vec<Fact>) {
        let Some(process) = self.processes.remove(path) else {
            return;
        };
        self.passed_over.insert(path.to_path_buf());
        let key = process.key();
        // How the program itself ended, its parent (we) will be told by the kernel; wait for that.
        if key.pid == self.main.pid && ending != Ending::Closed {
            self.processes.insert(path.to_path_buf(), process);
            return;
        }
        self.dispose(path.to_path_buf(), key, ending, ending, facts);
    }

    /// Tells the end, and deletes the recording of a process that ended in order.
    fn dispose(
        &mut self,
        path: PathBuf,
        key: ProcessKey,
        ending: Ending,
        main_ending: Ending,
        facts: &mut Vec<Fact>,
    ) {
        let ending = if key.pid == self.main.pid {
            main_ending
        } else {
            ending
        };
        let was_asked =
            matches!(ending, Ending::Signaled(signal) if ASKED_TO_END.contains(&signal));
        if matches!(ending, Ending::Vanished | Ending::Signaled(_)) && !was_asked {
            self.left_behind.push(path);
        } else {
            // A file that cannot be deleted is only listed as left behind by `loopscope recordings`.
            let _ = fs::remove_file(&path);
        }
        facts.push(Fact::ProcessGone {
            process: key,
            ending,
        });
    }

    fn pace(&self) -> Pace {
        let count = self.processes.len() as u64;
        Pace {
            glance: Nanos::from_millis(40 + 6 * count),
            resources: Nanos::from_millis(1_000 + 25 * count),
            waits: Nanos::from_millis(2_000 + 100 * count),
        }
    }

    fn next_due(&self, now: Nanos) -> Nanos {
        let processes = self.processes.values().map(WatchedProcess::due).min();
        let due = processes
            .unwrap_or(self.discovery_due)
            .min(self.discovery_due);
        // Nothing is looked at twice within a millisecond, whatever the schedules say.
        due.max(now.plus(Nanos::from_millis(1)))
    }
}

#[cfg(test)]
mod tests;
