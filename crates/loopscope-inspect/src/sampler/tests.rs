//! Looks at a real interpreter through a memory that lies.

use std::cell::Cell;
use std::rc::Rc;

use super::*;
use crate::layout::InnermostFrame;
use crate::locate;
use crate::memory::lying::LyingMemory;
use crate::memory::{MemoryError, ProcessMemory};
use crate::pythons;
use crate::running::Running;

/// A live process's memory in which each second reading shows its threads' innermost frames elsewhere.
#[derive(Clone, Debug)]
struct RestlessMemory {
    truth: ProcessMemory,
    reads: Rc<Cell<u64>>,
    /// The word that changes.
    restless: u64,
    /// A word that reads as zero each time.
    cut: Option<u64>,
}

impl Memory for RestlessMemory {
    fn read(&self, address: u64, buffer: &mut [u8]) -> Result<(), MemoryError> {
        self.truth.read(address, buffer)?;
        for (word, at) in buffer
            .as_chunks_mut::<8>()
            .0
            .iter_mut()
            .zip((address..).step_by(8))
        {
            if Some(at) == self.cut {
                *word = 0_u64.to_le_bytes();
            }
            if at == self.restless {
                self.reads.set(self.reads.get() + 1);
                if self.reads.get().is_multiple_of(2) {
                    *word = 0_u64.to_le_bytes();
                }
            }
        }
        Ok(())
    }
}

#[test]
fn a_target_that_lies_about_its_memory_gets_an_answer_or_an_error() {
    for python in pythons::all() {
        let running = Running::start(python, "sleep_in_chain.py", &[]);
        let pid = running.pid();
        let truth = ProcessMemory::new(pid);
        let found = locate::locate(pid, &truth).unwrap();
        let mut answers = 0;
        for seed in 0..60 {
            let memory = LyingMemory {
                truth,
                seed,
                one_in: 20 << (seed % 12),
            };
            let ids = ThreadIds::new(pid);
            let mut sampler = Sampler::new(memory, found.layout, found.runtime, ids);
            let _ = sampler.validate();
            answers += usize::from(
                sampler
                    .sample(pid)
                    .is_ok_and(|sample| !sample.frames.is_empty()),
            );
        }
        // Most lies are small enough that the reads get far.
        assert!(answers > 15, "{:?}: {answers} answers", python.version);
    }
}

/// A sampler of a sleeping program's main thread that seems never to hold still. With `is_cut` its stack seems to
/// end below the two innermost frames, as where these were left behind by an earlier call.
fn restless(pid: u32, is_cut: bool) -> (Sampler<RestlessMemory>, Rc<Cell<u64>>) {
    let truth = ProcessMemory::new(pid);
    let found = locate::locate(pid, &truth).unwrap();
    let mut reader = ObjectReader::new(truth, found.layout);
    let thread = reader.python_threads(found.runtime).unwrap()[0].state;
    let innermost = match found.layout.thread.innermost {
        InnermostFrame::Direct { frame: offset }
        | InnermostFrame::ThroughCFrame { cframe: offset, .. } => offset,
    };
    let second = reader.outline(thread).unwrap().frames[1].address;
    let reads = Rc::default();
    let memory = RestlessMemory {
        truth,
        reads: Rc::clone(&reads),
        restless: thread + innermost,
        cut: is_cut.then_some(second + found.layout.frame.previous),
    };
    let sampler = Sampler::new(memory, found.layout, found.runtime, ThreadIds::new(pid));
    (sampler, reads)
}

#[test]
fn a_thread_that_never_holds_still_is_reported_as_torn() {
    for python in pythons::all() {
        let running = Running::start(python, "sleep_in_chain.py", &[]);
        let (mut sampler, reads) = restless(running.pid(), false);
        let sample = sampler.sample(running.pid()).unwrap();
        assert!(
            sample.torn && !sample.frames.is_empty(),
            "{:?}",
            python.version
        );
        assert_eq!(reads.get(), 2 * MAX_LOOKS as u64);
    }
}

#[test]
fn a_stack_that_ends_in_the_middle_is_not_believed_however_often_it_is_seen() {
    for python in pythons::all() {
        let running = Running::start(python, "sleep_in_chain.py", &[]);
        let (mut sampler, _) = restless(running.pid(), true);
        let seen = sampler.sample(running.pid());
        // Where C called Python since, the stack is known from there on.
        let is_whole = |sample: &ThreadSample| {
            let outermost = sample.frames.last();
            outermost.is_some_and(|frame| &*frame.function == "<module>")
        };
        assert!(
            seen.as_ref().map_or(true, is_whole),
            "{:?}: {seen:#?}",
            python.version
        );
    }
}
