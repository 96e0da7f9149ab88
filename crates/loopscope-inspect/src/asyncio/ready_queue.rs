//! A loop's ready queue: how far the loop is in it, and how many callbacks it holds.

use std::collections::HashMap;

use crate::error::ReadResult;
use crate::memory::Memory;
use crate::object_model::{Kind, ObjectReader, TypeInfo};

/// Loop types whose queue's place is kept before all are forgotten.
const MAX_LOOP_TYPES: usize = 64;

/// The largest loop object that is searched for its queue; uvloop's has about a kibibyte.
const MAX_LOOP_BYTES: u64 = 16 << 10;

/// Where loops without attributes have their ready queue, by the address of the type.
pub(crate) type QueueOffsets = HashMap<u64, u64>;

impl<M: Memory> ObjectReader<M> {
    /// Which callback a loop has taken from its ready queue last, as an opaque value.
    pub(crate) fn callback_position(
        &mut self,
        event_loop: u64,
        offsets: &mut QueueOffsets,
    ) -> ReadResult<Option<u64>> {
        match self.ready_queue(event_loop, offsets)? {
            Some(queue) => self.deque_left_position(queue).map(Some),
            None => Ok(None),
        }
    }

    /// A loop's ready queue, where it can be found.
    pub(super) fn ready_queue(
        &mut self,
        event_loop: u64,
        offsets: &mut QueueOffsets,
    ) -> ReadResult<Option<u64>> {
        let class = self.type_of(event_loop)?;
        if let Some(offset) = offsets.get(&class.address) {
            let queue = self.pointer(event_loop, *offset)?;
            if self.is_deque(queue) {
                return Ok(Some(queue));
            }
            offsets.remove(&class.address);
        }
        if let Some(queue) = self.attribute(event_loop, "_ready")? {
            return Ok(self.is_deque(queue).then_some(queue));
        }
        let Some((offset, queue)) = self.find_queue(event_loop, &class)? else {
            return Ok(None);
        };
        if offsets.len() >= MAX_LOOP_TYPES {
            offsets.clear();
        }
        offsets.insert(class.address, offset);
        Ok(Some(queue))
    }

    /// A loop of an extension module (uvloop's) has no attributes: its queue is the one deque that its
    /// body points to. Where there are several, none is taken.
    fn find_queue(&mut self, event_loop: u64, class: &TypeInfo) -> ReadResult<Option<(u64, u64)>> {
        let mut found = None;
        for offset in (16..class.basic_size.min(MAX_LOOP_BYTES)).step_by(8) {
            let candidate = self.pointer(event_loop, offset)?;
            if !self.is_deque(candidate) {
                continue;
            }
            if found.is_some() {
                return Ok(None);
            }
            found = Some((offset, candidate));
        }
        Ok(found)
    }

    /// Whether a word that may be anything points to a deque.
    fn is_deque(&mut self, candidate: u64) -> bool {
        candidate.is_multiple_of(8)
            && self
                .type_of(candidate)
                .is_ok_and(|class| class.kind == Kind::Deque)
    }
}
