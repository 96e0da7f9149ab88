//! From what was read to a dump: indexes in place of addresses, lines in place of instructions, waits in
//! place of links. Reads nothing, so it runs once the process goes on.

mod loops;
mod stretches;
mod tasks;
mod waits;

use super::deadlocks::circles;
use super::graph::Graph;
use super::walked::{Stretch, Walked, WalkedThread};
use super::{DumpedLoop, DumpedTask, DumpedThread, LoopIndex, TaskIndex, ThreadIndex};
use crate::codes::CodeCache;
use crate::frames::{RawFrame, instruction_offset};
use crate::layout::Layout;
use crate::memory::AddressMap;
use crate::sample::Frame;
use stretches::stretches;
use waits::mark_orphans;

/// The parts of a dump that come from what was read.
#[derive(Debug, Default)]
pub(super) struct Parts {
    pub(super) threads: Vec<DumpedThread>,
    pub(super) loops: Vec<DumpedLoop>,
    pub(super) tasks: Vec<DumpedTask>,
    pub(super) deadlocks: Vec<Vec<TaskIndex>>,
    pub(super) problems: Vec<String>,
}

/// Turns what was read at an instant into the parts of a dump.
pub(super) fn resolve(
    walked: Walked,
    codes: &mut CodeCache,
    layout: &Layout,
    taken_nanos: u64,
) -> Parts {
    let mut resolver = Resolver::new(&walked, codes, layout, taken_nanos);
    let loops = resolver.loops();
    let threads = resolver.threads();
    let (mut tasks, edges) = resolver.tasks();
    let is_cut = resolver.graph.is_cut();
    mark_orphans(&loops, &mut tasks);
    let mut problems = walked.problems;
    if is_cut {
        problems.push("who waits for whom is cut, for it is too much to list".to_owned());
    }
    let deadlocks = circles(&edges)
        .into_iter()
        .map(|circle| circle.into_iter().map(TaskIndex).collect())
        .collect();
    Parts {
        threads,
        loops,
        tasks,
        deadlocks,
        problems,
    }
}

struct Resolver<'walked> {
    walked: &'walked Walked,
    codes: &'walked mut CodeCache,
    layout: &'walked Layout,
    taken_seconds: f64,
    graph: Graph,
    loop_indexes: AddressMap<LoopIndex>,
    /// The threads that loops run on.
    loop_threads: AddressMap<ThreadIndex>,
    /// Where the frames of the tasks that run are, by the task's address.
    stretches: AddressMap<(ThreadIndex, Stretch)>,
}

impl<'walked> Resolver<'walked> {
    fn new(
        walked: &'walked Walked,
        codes: &'walked mut CodeCache,
        layout: &'walked Layout,
        taken_nanos: u64,
    ) -> Self {
        let loops = walked.loops.iter().enumerate();
        let threads = walked.threads.iter().enumerate();
        Self {
            walked,
            codes,
            layout,
            taken_seconds: taken_nanos as f64 / 1e9,
            graph: Graph::new(walked),
            loop_indexes: loops
                .map(|(index, event_loop)| (event_loop.address, LoopIndex(index)))
                .collect(),
            loop_threads: threads
                .filter_map(|(index, thread)| Some((thread.running_loop?, ThreadIndex(index))))
                .collect(),
            stretches: stretches(walked),
        }
    }

    fn threads(&mut self) -> Vec<DumpedThread> {
        let walked = self.walked;
        walked
            .threads
            .iter()
            .map(|thread| self.thread(thread))
            .collect()
    }

    fn thread(&mut self, thread: &WalkedThread) -> DumpedThread {
        let mut problem = thread.problem.clone();
        DumpedThread {
            tid: thread.tid,
            interpreter: thread.interpreter,
            name: thread.name.clone(),
            holds_gil: thread.holds_gil,
            kernel: thread.kernel,
            frames: self.frames(thread.outline.frames.iter(), &mut problem),
            running_loop: thread
                .running_loop
                .and_then(|event_loop| self.loop_indexes.get(&event_loop).copied()),
            problem,
        }
    }

    fn frames<'raw>(
        &mut self,
        raw: impl Iterator<Item = &'raw RawFrame>,
        problem: &mut Option<String>,
    ) -> Vec<Frame> {
        let mut frames = Vec::with_capacity(raw.size_hint().0);
        for raw in raw {
            let offset = instruction_offset(self.layout, raw);
            match self.codes.known_frame(raw.code, offset) {
                Ok(frame) => frames.push(frame),
                Err(error) => {
                    problem.get_or_insert_with(|| format!("a frame could not be read: {error}"));
                }
            }
        }
        frames
    }
}
