//! Generators, coroutines and asynchronous generators: how far one is, and what it awaits.

use super::{Kind, ObjectReader, field};
use crate::error::{ReadError, ReadResult};
use crate::frames::RawFrame;
use crate::layout::fixed;
use crate::layout::{
    AwaitingTest, CoroutineFrame, GeneratorPhase, GeneratorState, Instruction, StackTop,
};
use crate::memory::Memory;

/// Values on a frame's stack and its variables together; no real code comes near.
const MAX_STACK_VALUES: u32 = 1 << 16;

/// The low bits of a value on the stack that the interpreter may use for itself, from 3.14 on.
const TAG_BITS: u64 = 7;

/// A generator that has not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LiveGenerator {
    /// Where it stands.
    pub(crate) frame: RawFrame,
    /// What it is doing.
    pub(crate) phase: GeneratorPhase,
    /// What it awaits; `None` for one that does not, or that is not suspended.
    pub(crate) awaited: Option<u64>,
}

impl<M: Memory> ObjectReader<M> {
    /// A generator's frame and what it awaits; `None` for one that has ended.
    pub(crate) fn live_generator(&mut self, generator: u64) -> ReadResult<Option<LiveGenerator>> {
        self.expect_kind(generator, Kind::Generator, "a generator")?;
        let Some(address) = self.generator_frame(generator)? else {
            return Ok(None);
        };
        // What stands in the frame of an embedded one that has ended means nothing.
        let phase = self.generator_phase(generator, address)?;
        if phase == GeneratorPhase::Ended {
            return Ok(None);
        }
        let frame = self.raw_frame(address)?;
        let awaited = match phase {
            GeneratorPhase::Suspended { is_awaiting } => self.awaited_by(&frame, is_awaiting)?,
            _ => None,
        };
        Ok(Some(LiveGenerator {
            frame,
            phase,
            awaited,
        }))
    }

    /// Where a generator's frame is; `None` for one that has none any more.
    pub(crate) fn generator_frame(&mut self, generator: u64) -> ReadResult<Option<u64>> {
        match self.layout.generator.frame {
            CoroutineFrame::Pointer { offset } => {
                let frame = self.pointer(generator, offset)?;
                Ok((frame != 0).then_some(frame))
            }
            CoroutineFrame::Embedded { offset } => Ok(Some(field(generator, offset)?)),
        }
    }

    fn generator_phase(&mut self, generator: u64, frame: u64) -> ReadResult<GeneratorPhase> {
        let (value, codes) = match self.layout.generator.state {
            GeneratorState::RunningFlag { offset } => {
                return self.phase_by_flag(generator, offset, frame);
            }
            GeneratorState::InFrame { offset, codes } => (self.byte(frame, offset)?, codes),
            GeneratorState::InGenerator { offset, codes } => (self.byte(generator, offset)?, codes),
        };
        codes
            .phase(value.cast_signed())
            .ok_or(ReadError::Unexpected {
                expected: "a generator",
                address: generator,
            })
    }

    fn phase_by_flag(
        &mut self,
        generator: u64,
        running: u64,
        frame: u64,
    ) -> ReadResult<GeneratorPhase> {
        if self.byte(generator, running)? != 0 {
            return Ok(GeneratorPhase::Running);
        }
        Ok(match self.instruction_index(frame)? {
            index if index < 0 => GeneratorPhase::Created,
            _ => GeneratorPhase::Suspended { is_awaiting: None },
        })
    }

    fn instruction_index(&mut self, frame: u64) -> ReadResult<i64> {
        match self.layout.frame.instruction {
            Instruction::ByteIndex { offset } | Instruction::UnitIndex { offset } => {
                Ok(self.word(frame, offset)?.cast_signed().into())
            }
            Instruction::Pointer { .. } => Ok(0),
        }
    }

    fn awaited_by(
        &mut self,
        frame: &RawFrame,
        is_awaiting: Option<bool>,
    ) -> ReadResult<Option<u64>> {
        let is_awaiting = match is_awaiting {
            Some(known) => known,
            None => self.stands_at_await(frame)?,
        };
        match is_awaiting {
            true => self.stack_top(frame.address),
            false => Ok(None),
        }
    }

    fn stands_at_await(&mut self, frame: &RawFrame) -> ReadResult<bool> {
        match self.layout.generator.awaiting {
            AwaitingTest::NextOperation {
                instructions,
                operation,
            } => {
                let bytes = self.pointer(frame.code, instructions)?;
                let next = match self.layout.frame.instruction {
                    Instruction::UnitIndex { .. } => 2 * (frame.instruction + 1),
                    _ => frame.instruction + 2,
                };
                let at = field(bytes, fixed::BYTES_DATA)?;
                Ok(self.byte(at, next)? == operation)
            }
            AwaitingTest::ResumeArgument {
                distance,
                mask,
                least,
            } => Ok(self.byte(frame.instruction, distance)? & mask >= least),
            AwaitingTest::State => Ok(true),
        }
    }

    /// The topmost value of a suspended frame's stack.
    fn stack_top(&mut self, frame: u64) -> ReadResult<Option<u64>> {
        let unexpected = ReadError::Unexpected {
            expected: "a frame",
            address: frame,
        };
        let top = match self.layout.generator.stack_top {
            StackTop::Pointer {
                offset,
                may_have_index,
            } => {
                let end = self.pointer(frame, offset)?;
                let top = end.checked_sub(8).ok_or(unexpected)?;
                let value = self.pages.u64(top)?;
                let is_index = value & 3 == 3 || value < 8;
                match may_have_index && is_index {
                    true => top.checked_sub(8).ok_or(unexpected)?,
                    false => top,
                }
            }
            StackTop::Depth { stack, depth } => {
                let first = self.pointer(frame, stack)?;
                let last = self.stack_count(frame, depth)?.ok_or(unexpected)?;
                field(first, 8 * last)?
            }
            StackTop::CountFromLocals { count } => {
                let last = self.stack_count(frame, count)?.ok_or(unexpected)?;
                field(frame, self.layout.frame.locals + 8 * last)?
            }
        };
        let value = self.pages.u64(top)? & !TAG_BITS;
        Ok((value != 0).then_some(value))
    }

    /// The index of the last of a count of values.
    fn stack_count(&mut self, frame: u64, offset: u64) -> ReadResult<Option<u64>> {
        let count = self.word(frame, offset)?;
        Ok(match count {
            1..=MAX_STACK_VALUES => Some(u64::from(count - 1)),
            _ => None,
        })
    }
}
