//! The chain of a suspended task: from its first coroutine to what it waits for in the end.
//!
//! Goes through coroutines, generators, asynchronous generators, the objects that stand between them, and
//! coroutines that Cython compiled.

use std::sync::Arc;

use crate::error::{ReadError, ReadResult};
use crate::frames::RawFrame;
use crate::layout::{GeneratorPhase, fixed};
use crate::memory::Memory;
use crate::object_model::{Kind, ObjectReader};

/// Links that are followed; twice Python's own default for recursion.
const MAX_LINKS: usize = 2048;

/// The largest object of Cython's coroutine type that is searched.
const MAX_CYTHON_BYTES: u64 = 1024;

/// One frame of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ChainFrame {
    /// Of Python code.
    Python(RawFrame),
    /// Of code that Cython compiled, which says its name and not where it stands.
    Cython {
        /// The qualified name.
        function: Arc<str>,
        /// The module.
        module: Arc<str>,
    },
}

/// What stands at the end of a chain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ChainEnd {
    /// Nothing: the innermost coroutine awaits nothing, or has ended.
    #[default]
    Nothing,
    /// The first coroutine has not begun.
    NotBegun,
    /// A coroutine that runs; the frames inside it are on a thread's stack.
    Running,
    /// A future.
    Future(u64),
    /// An object that is none of the known.
    Object(u64),
}

/// The frames of a chain, outermost first, and what stands at its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct AwaitChain {
    pub(crate) frames: Vec<ChainFrame>,
    pub(crate) end: ChainEnd,
}

/// How a chain goes on.
enum Step {
    To(u64),
    End(ChainEnd),
}

impl<M: Memory> ObjectReader<M> {
    /// Follows the chain that begins at a coroutine. What was found before a failure stays in `chain`.
    pub(crate) fn follow_chain(
        &mut self,
        coroutine: u64,
        chain: &mut AwaitChain,
    ) -> ReadResult<()> {
        let mut object = coroutine;
        for _ in 0..MAX_LINKS {
            match self.chain_step(object, &mut chain.frames)? {
                Step::To(next) => object = next,
                Step::End(end) => {
                    chain.end = end;
                    return Ok(());
                }
            }
        }
        Err(ReadError::Unexpected {
            expected: "an await chain that ends",
            address: coroutine,
        })
    }

    fn chain_step(&mut self, object: u64, frames: &mut Vec<ChainFrame>) -> ReadResult<Step> {
        let wrapped = match self.kind_of(object)? {
            Kind::Generator => return self.generator_step(object, frames),
            Kind::CythonCoroutine => return self.cython_step(object, frames),
            Kind::AsyncGeneratorStep => fixed::ASYNC_GENERATOR_STEP_GENERATOR,
            Kind::CoroutineWrapper => fixed::COROUTINE_WRAPPER_COROUTINE,
            Kind::AnextAwaitable => fixed::ANEXT_AWAITABLE_WRAPPED,
            Kind::FutureIterator => {
                let future = self.pointer(object, fixed::FUTURE_ITERATOR_FUTURE)?;
                return Ok(match future {
                    0 => Step::End(ChainEnd::Nothing),
                    future => Step::End(ChainEnd::Future(future)),
                });
            }
            kind if kind.is_future() => return Ok(Step::End(ChainEnd::Future(object))),
            _ => return Ok(Step::End(ChainEnd::Object(object))),
        };
        match self.pointer(object, wrapped)? {
            0 => Ok(Step::End(ChainEnd::Nothing)),
            next => Ok(Step::To(next)),
        }
    }

    fn generator_step(&mut self, generator: u64, frames: &mut Vec<ChainFrame>) -> ReadResult<Step> {
        let Some(live) = self.live_generator(generator)? else {
            return Ok(Step::End(ChainEnd::Nothing));
        };
        let is_first = frames.is_empty();
        frames.push(ChainFrame::Python(live.frame));
        Ok(match (live.phase, live.awaited) {
            (GeneratorPhase::Created, _) if is_first => Step::End(ChainEnd::NotBegun),
            (GeneratorPhase::Running, _) => Step::End(ChainEnd::Running),
            (_, Some(awaited)) => Step::To(awaited),
            (_, None) => Step::End(ChainEnd::Nothing),
        })
    }

    /// Where Cython's coroutine has what it awaits differs between its versions, and so does the rest of
    /// it. But only that member can point to something that is awaited, and the first two that point to
    /// strings are its name and its qualified name.
    fn cython_step(&mut self, coroutine: u64, frames: &mut Vec<ChainFrame>) -> ReadResult<Step> {
        let size = self.type_of(coroutine)?.basic_size.min(MAX_CYTHON_BYTES);
        let mut awaited = None;
        let mut names = Vec::new();
        for offset in (16..size).step_by(8) {
            let member = self.pointer(coroutine, offset)?;
            match self.kind_of_any(member) {
                Some(Kind::Str) if names.len() < 3 => names.push(self.string(member)?),
                Some(kind) if is_awaitable(kind) => awaited = awaited.or(Some(member)),
                _ => {}
            }
        }
        let mut names = names.into_iter().skip(1);
        frames.push(ChainFrame::Cython {
            function: names.next().unwrap_or_default().into(),
            module: names.next().unwrap_or_default().into(),
        });
        Ok(match awaited {
            Some(next) => Step::To(next),
            None => Step::End(ChainEnd::Nothing),
        })
    }

    /// What a word points to that may be anything.
    fn kind_of_any(&mut self, word: u64) -> Option<Kind> {
        match word.is_multiple_of(8) {
            true => self.kind_of(word).ok(),
            false => None,
        }
    }
}

/// Whether something of this kind can be what a coroutine awaits.
fn is_awaitable(kind: Kind) -> bool {
    kind.is_future()
        || matches!(
            kind,
            Kind::Generator
                | Kind::CythonCoroutine
                | Kind::AsyncGeneratorStep
                | Kind::CoroutineWrapper
                | Kind::AnextAwaitable
                | Kind::FutureIterator
        )
}
