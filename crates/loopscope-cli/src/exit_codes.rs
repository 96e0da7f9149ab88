//! The program's exit codes: the only source of them.
//!
//! `loopscope run` passes on its target's code instead, and uses of these only [`USAGE`] and those for a
//! target that could not be started.

/// The service is healthy; or the command did what it was asked.
pub(crate) const HEALTHY: u8 = 0;

/// The service works, with something a person should look at, or its health endpoint answers slowly.
pub(crate) const DEGRADED: u8 = 1;

/// The service does not serve its users now.
pub(crate) const CRITICAL: u8 = 2;

/// There was no answer, or none from Loopscope: nothing is known of the service.
pub(crate) const UNREACHABLE: u8 = 3;

/// `stress`: every test and threshold held.
pub(crate) const PASSED: u8 = 0;

/// `stress`: a test or a threshold failed.
pub(crate) const FAILED: u8 = 1;

/// `stress --fail-on-regression`: a figure is worse than the baseline's.
pub(crate) const REGRESSION: u8 = 2;

/// `drill`: every fault was seen as it is, and nothing else.
pub(crate) const SEEN: u8 = 0;

/// `drill`: a fault was not seen, or not as it is; something healthy was; or no alert came.
pub(crate) const UNSEEN: u8 = 1;

/// The command line is wrong (`EX_USAGE` of sysexits.h). Not 2, which would read as critical.
pub(crate) const USAGE: u8 = 64;

/// There is no such process, or it ended meanwhile (`EX_NOINPUT`).
pub(crate) const NO_PROCESS: u8 = 66;

/// What was asked for cannot be had: a missing program, an unreadable file, a process of a kind that
/// cannot be read (`EX_UNAVAILABLE`).
pub(crate) const UNAVAILABLE: u8 = 69;

/// What was asked for is done, and a file of it could not be written (`EX_IOERR`).
pub(crate) const NOT_WRITTEN: u8 = 74;

/// The kernel does not let this user do it, or whoever started the target did not allow a drill (`EX_NOPERM`).
pub(crate) const NOT_PERMITTED: u8 = 77;

/// The target exists but cannot be executed, as a shell says it.
pub(crate) const NOT_EXECUTABLE: u8 = 126;

/// There is no such target, as a shell says it.
pub(crate) const NOT_FOUND: u8 = 127;

/// Added to the number of the signal that killed the target.
pub(crate) const SIGNAL_BASE: u8 = 128;
