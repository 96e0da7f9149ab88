//! Where the interpreter keeps the frames of the running thread, by minor version.
//!
//! The numbers are those of 64-bit Linux with the interpreter's lock, the same in all patch releases of a
//! minor version. They are tried out before they are relied on, see [`super::Walker`].

/// Offsets of one minor version, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameLayout {
    /// In the thread state: the innermost frame, or what points to it.
    pub(crate) innermost: usize,
    /// In what the thread state points to, where that is no frame yet.
    pub(crate) through: Option<usize>,
    /// In a frame: the caller's.
    pub(crate) previous: usize,
    /// In a frame: the code object.
    pub(crate) code: usize,
    /// In a frame: where it stands.
    pub(crate) instruction: Instruction,
    /// In a frame: who owns it. From this owner on there is no code in it.
    pub(crate) owner: Option<(usize, u8)>,
}

/// How a frame says where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Instruction {
    /// By an index of units of so many bytes.
    Index {
        /// In the frame.
        offset: usize,
        /// A unit.
        unit_bytes: i32,
    },
    /// By a pointer into the code object, where the instructions begin at an offset of their own.
    Pointer {
        /// In the frame.
        offset: usize,
        /// In the code object.
        instructions: usize,
    },
}

const PY_3_9: FrameLayout = FrameLayout {
    innermost: 24,
    through: None,
    previous: 24,
    code: 32,
    instruction: Instruction::Index {
        offset: 104,
        unit_bytes: 1,
    },
    owner: None,
};

const PY_3_10: FrameLayout = FrameLayout {
    instruction: Instruction::Index {
        offset: 96,
        unit_bytes: 2,
    },
    ..PY_3_9
};

const PY_3_11: FrameLayout = FrameLayout {
    innermost: 56,
    through: Some(8),
    previous: 48,
    code: 32,
    instruction: Instruction::Pointer {
        offset: 56,
        instructions: 184,
    },
    owner: Some((69, 3)),
};

const PY_3_12: FrameLayout = FrameLayout {
    through: Some(0),
    previous: 8,
    code: 0,
    instruction: Instruction::Pointer {
        offset: 56,
        instructions: 192,
    },
    owner: Some((70, 3)),
    ..PY_3_11
};

const PY_3_13: FrameLayout = FrameLayout {
    innermost: 72,
    through: None,
    instruction: Instruction::Pointer {
        offset: 56,
        instructions: 200,
    },
    ..PY_3_12
};

const PY_3_14: FrameLayout = FrameLayout {
    instruction: Instruction::Pointer {
        offset: 56,
        instructions: 208,
    },
    owner: Some((74, 3)),
    ..PY_3_13
};

/// The offsets of Python 3 with this minor version; `None` where they are not known.
pub(crate) fn of_minor(minor: u8) -> Option<FrameLayout> {
    let known = [PY_3_9, PY_3_10, PY_3_11, PY_3_12, PY_3_13, PY_3_14];
    let index = usize::from(minor).checked_sub(9)?;
    known
        .get(index)
        .copied()
        .filter(|_| cfg!(target_pointer_width = "64"))
}
