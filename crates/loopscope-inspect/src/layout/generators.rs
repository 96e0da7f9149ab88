//! Generators, coroutines and async generators: how far one is, and what it awaits.
//!
//! The three types share one layout. What a suspended one awaits is nowhere but on its own value stack:
//! it is the topmost value, provided that the generator stands at an `await` or `yield from` and not at a
//! plain `yield`. Each family of versions tells that in another way.

/// Where a generator has its frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CoroutineFrame {
    /// Up to 3.10: a pointer to the frame, null once the generator has ended.
    Pointer {
        /// In the generator.
        offset: u64,
    },
    /// From 3.11 on: the frame itself. What stands there after the generator has ended means nothing.
    Embedded {
        /// In the generator.
        offset: u64,
    },
}

/// `PyGenObject`, `PyCoroObject` and `PyAsyncGenObject`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GeneratorLayout {
    /// The frame.
    pub(crate) frame: CoroutineFrame,
    /// The function's name.
    pub(crate) name: u64,
    /// The function's qualified name; the only place that has it up to 3.10.
    pub(crate) qualified_name: u64,
    /// What it is doing.
    pub(crate) state: GeneratorState,
    /// Whether a suspended one awaits something.
    pub(crate) awaiting: AwaitingTest,
    /// Where its topmost value is.
    pub(crate) stack_top: StackTop,
}

/// How a generator says what it is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GeneratorState {
    /// 3.9: a byte of the generator is 1 while it runs. It has ended where it has no frame, and has not
    /// begun where the instruction index of its frame is negative.
    RunningFlag {
        /// In the generator.
        offset: u64,
    },
    /// 3.10: a signed byte of the frame. It has ended where it has no frame.
    InFrame {
        /// In the frame.
        offset: u64,
        /// What its values mean.
        codes: StateCodes,
    },
    /// From 3.11 on: a signed byte of the generator.
    InGenerator {
        /// In the generator.
        offset: u64,
        /// What its values mean.
        codes: StateCodes,
    },
}

/// What the values of a state byte mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StateCodes {
    /// 3.10 to 3.12: -2 not begun, -1 suspended, 0 running, more: ended.
    ThreeAndEnded,
    /// 3.13 and 3.14: -3 not begun, -2 suspended at a `yield`, -1 suspended while it awaits, 0 running,
    /// more: ended.
    FourAndEnded,
    /// 3.15: 0 not begun, 1 suspended at a `yield`, 2 and 3 suspended while it awaits, 4 running, 5 ended.
    FromZero,
}

/// What a generator is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GeneratorPhase {
    /// It has not begun.
    Created,
    /// It is suspended.
    Suspended {
        /// Whether it awaits something; `None` where [`AwaitingTest`] has to tell.
        is_awaiting: Option<bool>,
    },
    /// It runs, or the one that it awaits does.
    Running,
    /// It has ended; there is no frame to look at.
    Ended,
}

impl StateCodes {
    /// What a state byte says; `None` for a value that no generator has.
    pub(crate) fn phase(self, value: i8) -> Option<GeneratorPhase> {
        let suspended = |is_awaiting| GeneratorPhase::Suspended { is_awaiting };
        Some(match (self, value) {
            (Self::ThreeAndEnded, -2) | (Self::FourAndEnded, -3) | (Self::FromZero, 0) => {
                GeneratorPhase::Created
            }
            (Self::ThreeAndEnded, -1) => suspended(None),
            (Self::FourAndEnded, -2) | (Self::FromZero, 1) => suspended(Some(false)),
            (Self::FourAndEnded, -1) | (Self::FromZero, 2 | 3) => suspended(Some(true)),
            (Self::ThreeAndEnded | Self::FourAndEnded, 0) | (Self::FromZero, 4) => {
                GeneratorPhase::Running
            }
            (Self::ThreeAndEnded | Self::FourAndEnded, 1..=4) | (Self::FromZero, 5) => {
                GeneratorPhase::Ended
            }
            _ => return None,
        })
    }
}

/// How to tell whether a suspended generator awaits something or has yielded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AwaitingTest {
    /// Up to 3.10: the instruction behind the one at which its frame stands is this one. Instructions are
    /// the bytes of the `bytes` object that the code points to, two of them each, the operation first.
    NextOperation {
        /// The `bytes` object in the code object.
        instructions: u64,
        /// `YIELD_FROM`.
        operation: u8,
    },
    /// 3.11 and 3.12: its frame's instruction pointer is at a `YIELD_VALUE`; the `RESUME` behind it has an
    /// argument whose masked value is at least this.
    ResumeArgument {
        /// The argument's byte, counted from the instruction pointer.
        distance: u64,
        /// The bits that count.
        mask: u8,
        /// 2 for `yield from`, 3 for `await`.
        least: u8,
    },
    /// From 3.13 on its state says it.
    State,
}

/// Where the topmost value of a frame's stack is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StackTop {
    /// 3.9 and from 3.14 on: a pointer to the place behind it. Null in 3.9 while the frame runs.
    Pointer {
        /// In the frame.
        offset: u64,
        /// From 3.15 on the value may have a small index on top of it, a word whose two lowest bits are
        /// set or that is less than 8: then the value is the one below.
        may_have_index: bool,
    },
    /// 3.10: a pointer to the stack's first value, and a 32-bit count of values.
    Depth {
        /// The pointer, in the frame.
        stack: u64,
        /// The count, in the frame.
        depth: u64,
    },
    /// 3.11 to 3.13: a 32-bit count that includes the local variables, from their start on.
    CountFromLocals {
        /// In the frame.
        count: u64,
    },
}

pub(super) const GENERATOR_3_9: GeneratorLayout = GeneratorLayout {
    frame: CoroutineFrame::Pointer { offset: 16 },
    name: 48,
    qualified_name: 56,
    state: GeneratorState::RunningFlag { offset: 24 },
    awaiting: AwaitingTest::NextOperation {
        instructions: 48,
        operation: 72,
    },
    stack_top: StackTop::Pointer {
        offset: 72,
        may_have_index: false,
    },
};

pub(super) const GENERATOR_3_10: GeneratorLayout = GeneratorLayout {
    name: 40,
    qualified_name: 48,
    state: GeneratorState::InFrame {
        offset: 108,
        codes: StateCodes::ThreeAndEnded,
    },
    stack_top: StackTop::Depth {
        stack: 64,
        depth: 80,
    },
    ..GENERATOR_3_9
};

pub(super) const GENERATOR_3_11: GeneratorLayout = GeneratorLayout {
    frame: CoroutineFrame::Embedded { offset: 80 },
    name: 32,
    qualified_name: 40,
    state: GeneratorState::InGenerator {
        offset: 75,
        codes: StateCodes::ThreeAndEnded,
    },
    awaiting: AwaitingTest::ResumeArgument {
        distance: 3,
        mask: 3,
        least: 2,
    },
    stack_top: StackTop::CountFromLocals { count: 64 },
};

pub(super) const GENERATOR_3_12: GeneratorLayout = GeneratorLayout {
    frame: CoroutineFrame::Embedded { offset: 72 },
    name: 24,
    qualified_name: 32,
    state: GeneratorState::InGenerator {
        offset: 67,
        codes: StateCodes::ThreeAndEnded,
    },
    ..GENERATOR_3_11
};

pub(super) const GENERATOR_3_13: GeneratorLayout = GeneratorLayout {
    state: GeneratorState::InGenerator {
        offset: 67,
        codes: StateCodes::FourAndEnded,
    },
    awaiting: AwaitingTest::State,
    ..GENERATOR_3_12
};

pub(super) const GENERATOR_3_14: GeneratorLayout = GeneratorLayout {
    stack_top: StackTop::Pointer {
        offset: 64,
        may_have_index: false,
    },
    ..GENERATOR_3_13
};

pub(super) const GENERATOR_3_15: GeneratorLayout = GeneratorLayout {
    state: GeneratorState::InGenerator {
        offset: 67,
        codes: StateCodes::FromZero,
    },
    stack_top: StackTop::Pointer {
        offset: 64,
        may_have_index: true,
    },
    ..GENERATOR_3_14
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_family_of_versions_has_its_own_state_codes() {
        let suspended = |is_awaiting| Some(GeneratorPhase::Suspended { is_awaiting });
        let three = StateCodes::ThreeAndEnded;
        assert_eq!(three.phase(-2), Some(GeneratorPhase::Created));
        assert_eq!(three.phase(-1), suspended(None));
        assert_eq!(three.phase(0), Some(GeneratorPhase::Running));
        assert_eq!(three.phase(4), Some(GeneratorPhase::Ended));
        let four = StateCodes::FourAndEnded;
        assert_eq!(four.phase(-3), Some(GeneratorPhase::Created));
        assert_eq!(four.phase(-2), suspended(Some(false)));
        assert_eq!(four.phase(-1), suspended(Some(true)));
        let zero = StateCodes::FromZero;
        assert_eq!(zero.phase(3), suspended(Some(true)));
        assert_eq!(zero.phase(4), Some(GeneratorPhase::Running));
    }

    #[test]
    fn a_value_that_no_generator_has_is_no_state() {
        assert_eq!(StateCodes::ThreeAndEnded.phase(-3), None);
        assert_eq!(StateCodes::FourAndEnded.phase(5), None);
        assert_eq!(StateCodes::FromZero.phase(-1), None);
    }
}
