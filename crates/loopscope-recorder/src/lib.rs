//! The flight recording: a memory-mapped file that outlives its process
