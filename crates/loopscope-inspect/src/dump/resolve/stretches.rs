//! Where on the threads' stacks the tasks are that run.

use crate::asyncio::ChainEnd;
use crate::dump::ThreadIndex;
use crate::dump::walked::{Stretch, Walked};
use crate::frames::Outline;
use crate::memory::AddressMap;

/// Where on the threads' stacks the frames of tasks are, those that run: from a task's first frame inward
/// to the first frame of a task that it steps itself (an eager one), or to the innermost frame.
pub(super) fn stretches(walked: &Walked) -> AddressMap<(ThreadIndex, Stretch)> {
    let mut first_frames: AddressMap<u64> = AddressMap::default();
    let mut found = AddressMap::default();
    let current = walked
        .threads
        .iter()
        .filter_map(|thread| thread.current_task);
    let current: Vec<u64> = current.collect();
    for task in walked.tasks.iter().filter(|task| task.is_pending()) {
        let runs = task.chain.end == ChainEnd::Running || current.contains(&task.address);
        if let Some(first) = task.first_frame.filter(|_| runs) {
            first_frames.insert(first, task.address);
        }
    }
    for (index, thread) in walked.threads.iter().enumerate() {
        let thread_index = ThreadIndex(index);
        let mut inner_end = 0;
        for (place, task) in task_places(&thread.outline, &first_frames) {
            found.insert(task, (thread_index, inner_end..place + 1));
            inner_end = place + 1;
        }
        // A first coroutine that is no Python code has no frame on the stack; then all of it counts. One
        // that is has none at the instants at which its task is entered and left.
        if let Some(task) = thread.current_task {
            let inner = match first_frames.values().any(|first_of| *first_of == task) {
                true => 0..0,
                false => 0..thread.outline.frames.len(),
            };
            found.entry(task).or_insert((thread_index, inner));
        }
    }
    found
}

/// The places of tasks' first frames on a stack, innermost first.
fn task_places(outline: &Outline, first_frames: &AddressMap<u64>) -> Vec<(usize, u64)> {
    let frames = outline.frames.iter().enumerate();
    frames
        .filter_map(|(place, frame)| Some((place, *first_frames.get(&frame.address)?)))
        .collect()
}
