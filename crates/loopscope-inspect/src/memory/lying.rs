//! A memory for tests that lies.

use super::{Memory, MemoryError, ProcessMemory};

/// A live process's memory in which some words come out wrong, the same ones each time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LyingMemory {
    pub(crate) truth: ProcessMemory,
    pub(crate) seed: u64,
    /// One word in this many is wrong.
    pub(crate) one_in: u64,
}

impl Memory for LyingMemory {
    fn read(&self, address: u64, buffer: &mut [u8]) -> Result<(), MemoryError> {
        self.truth.read(address, buffer)?;
        for (word, at) in buffer
            .as_chunks_mut::<8>()
            .0
            .iter_mut()
            .zip((address..).step_by(8))
        {
            let noise = scramble(self.seed ^ at);
            if noise.is_multiple_of(self.one_in) {
                *word = lie(noise >> 32, u64::from_le_bytes(*word)).to_le_bytes();
            }
        }
        Ok(())
    }
}

/// A plausible wrong word: nothing, small, shifted, near, or anything.
fn lie(noise: u64, truth: u64) -> u64 {
    match noise % 5 {
        0 => 0,
        1 => noise % 300,
        2 => truth << 1,
        3 => truth.wrapping_add(8 * (noise % 64)),
        _ => scramble(noise),
    }
}

/// SplitMix64's mixing step.
fn scramble(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ value >> 31
}
