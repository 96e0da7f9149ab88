//! The stack of one thread: first its outline, then the frames behind it.
//!
//! The outline is a handful of words per frame, taken as quickly as possible and taken again after the
//! rest was read: two equal outlines mean that the thread stood still in between. Only then do the
//! code objects matter. Frames that only mark an entry from C are left out.

use crate::codes::CodeCache;
use crate::error::{ReadError, ReadResult};
use crate::layout::{EntryMark, InnermostFrame, Instruction, Layout};
use crate::memory::Memory;
use crate::object_model::{Kind, ObjectReader};
use crate::sample::Frame;

/// Frames that are followed, innermost first. A deeper stack is cut at its outer end; the limit is
/// twice Python's own default for recursion.
const MAX_FRAMES: usize = 2048;

/// The low bits of a pointer to a code object that the interpreter may use for itself.
const TAG_BITS: u64 = 7;

/// A frame as its words are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RawFrame {
    /// Where it is.
    pub(crate) address: u64,
    pub(crate) code: u64,
    /// The instruction field as it stands.
    pub(crate) instruction: u64,
}

/// A thread's frames, innermost first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outline {
    pub(crate) frames: Vec<RawFrame>,
}

/// The outermost frame of a stack: where it is, and its code. The same for as long as a thread runs what
/// it was started for.
pub(crate) type Base = (u64, u64);

impl Outline {
    /// Where the stack ends; `None` where that is not known, as it is deeper than frames are followed.
    pub(crate) fn base(&self) -> Option<Base> {
        let outermost = self.frames.last()?;
        (self.frames.len() < MAX_FRAMES).then_some((outermost.address, outermost.code))
    }

    /// Whether a later outline shows the same stack. The innermost frame may have moved on inside its
    /// function: it is the one that runs.
    pub(crate) fn is_still(&self, later: &Self) -> bool {
        let (Some((inner, outer)), Some((later_inner, later_outer))) =
            (self.frames.split_first(), later.frames.split_first())
        else {
            return self.frames.is_empty() && later.frames.is_empty();
        };
        inner.address == later_inner.address
            && inner.code == later_inner.code
            && outer == later_outer
    }
}

impl<M: Memory> ObjectReader<M> {
    /// The outline of the stack of the thread state at `thread`.
    pub(crate) fn outline(&mut self, thread: u64) -> ReadResult<Outline> {
        let mut frames = Vec::new();
        let mut frame = self.innermost_frame(thread)?;
        for _ in 0..MAX_FRAMES {
            if frame == 0 {
                break;
            }
            if self.holds_code(frame)? {
                frames.push(self.raw_frame(frame)?);
            }
            frame = self.pointer(frame, self.layout.frame.previous)?;
        }
        Ok(Outline { frames })
    }

    /// Where the frame is that a thread state runs; 0 where it runs none.
    pub(crate) fn innermost_frame(&mut self, thread: u64) -> ReadResult<u64> {
        match self.layout.thread.innermost {
            InnermostFrame::Direct { frame } => self.pointer(thread, frame),
            InnermostFrame::ThroughCFrame {
                cframe,
                current_frame,
                previous,
                entry,
            } => {
                let cframe = self.pointer(thread, cframe)?;
                if cframe == 0 {
                    return Ok(0);
                }
                let frame = self.pointer(cframe, current_frame)?;
                let before = match self.pointer(cframe, previous)? {
                    0 => return Ok(frame),
                    before => self.pointer(before, current_frame)?,
                };
                match self.follows(frame, before, entry) {
                    Ok(true) => Ok(frame),
                    Err(error) if error.is_final() => Err(error),
                    _ => Ok(before),
                }
            }
        }
    }

    /// Whether the frames of a call from C, from the innermost one on, are frames and follow the one that the
    /// thread was in before it. They do not at the instant at which the call has announced itself and has not
    /// said yet where it is: what stands there then was left behind on the C stack, by an earlier call from
    /// the same place for example, whose frames are gone.
    fn follows(&mut self, innermost: u64, before: u64, entry: EntryMark) -> ReadResult<bool> {
        let mut frame = innermost;
        for _ in 0..MAX_FRAMES {
            if frame == 0 {
                break;
            }
            let [previous] = self.pointers(frame, [self.layout.frame.previous])?;
            if self.holds_code(frame)? {
                let code = self.raw_frame(frame)?.code;
                self.expect_kind(code, Kind::Code, "a code object")?;
            }
            if self.byte(frame, entry.offset)? == entry.value {
                return Ok(previous == before);
            }
            frame = previous;
        }
        Ok(false)
    }

    fn holds_code(&mut self, frame: u64) -> ReadResult<bool> {
        let Some(owner) = self.layout.frame.owner else {
            return Ok(true);
        };
        let value = self.byte(frame, owner.offset)?;
        if value > owner.highest {
            return Err(ReadError::Unexpected {
                expected: "a frame",
                address: frame,
            });
        }
        Ok(value < owner.first_without_code)
    }

    /// A frame as its words are.
    pub(crate) fn raw_frame(&mut self, frame: u64) -> ReadResult<RawFrame> {
        let code = self.pointer(frame, self.layout.frame.code)? & !TAG_BITS;
        let instruction = match self.layout.frame.instruction {
            Instruction::ByteIndex { offset } | Instruction::UnitIndex { offset } => {
                self.word(frame, offset)?.into()
            }
            Instruction::Pointer { offset } => self.pointer(frame, offset)?,
        };
        Ok(RawFrame {
            address: frame,
            code,
            instruction,
        })
    }
}

/// The frames behind an outline.
pub(crate) fn resolve<M: Memory>(
    reader: &mut ObjectReader<M>,
    codes: &mut CodeCache,
    outline: &Outline,
) -> ReadResult<Vec<Frame>> {
    outline
        .frames
        .iter()
        .map(|raw| codes.frame(reader, raw.code, instruction_offset(&reader.layout, raw)))
        .collect()
}

/// How many bytes into its code a frame stands; negative before the first instruction.
pub(crate) fn instruction_offset(layout: &Layout, raw: &RawFrame) -> i64 {
    let index = i64::from((raw.instruction as u32).cast_signed());
    match layout.frame.instruction {
        Instruction::ByteIndex { .. } => index,
        Instruction::UnitIndex { .. } => 2 * index,
        Instruction::Pointer { .. } => {
            let first = raw.code.wrapping_add(layout.code.instructions.unwrap_or(0));
            raw.instruction.wrapping_sub(first).cast_signed()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stack(frames: &[(u64, u64, u64)]) -> Outline {
        let raw = |&(address, code, instruction): &(u64, u64, u64)| RawFrame {
            address,
            code,
            instruction,
        };
        Outline {
            frames: frames.iter().map(raw).collect(),
        }
    }

    #[test]
    fn a_frame_that_runs_on_inside_its_function_stands_still() {
        let before = stack(&[(3, 30, 1), (2, 20, 5)]);
        assert!(before.is_still(&stack(&[(3, 30, 9), (2, 20, 5)])));
        assert!(stack(&[]).is_still(&stack(&[])));
    }

    #[test]
    fn a_stack_ends_at_its_outermost_frame_unless_it_was_cut() {
        assert_eq!(stack(&[(3, 30, 1), (2, 20, 5)]).base(), Some((2, 20)));
        assert_eq!(stack(&[]).base(), None);
        assert_eq!(stack(&[(3, 30, 1); MAX_FRAMES]).base(), None);
    }

    #[test]
    fn a_stack_that_changed_does_not() {
        let before = stack(&[(3, 30, 1), (2, 20, 5)]);
        for after in [
            stack(&[(2, 20, 5)]),
            stack(&[(3, 31, 1), (2, 20, 5)]),
            stack(&[(4, 30, 1), (2, 20, 5)]),
            stack(&[(3, 30, 1), (2, 20, 6)]),
            stack(&[(4, 40, 1), (3, 30, 1), (2, 20, 5)]),
            stack(&[]),
        ] {
            assert!(!before.is_still(&after), "{after:?}");
        }
    }
}
