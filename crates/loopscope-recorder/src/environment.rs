//! Every environment variable that an observed process reads. `loopscope run` sets them for its target
//! and all that the target starts.

/// The folder for recordings, instead of the user's own.
pub const RUNTIME_DIR: &str = "LOOPSCOPE_RUNTIME_DIR";

/// The run that a process belongs to: a number in hexadecimal. Set by `loopscope run`.
pub const RUN_ID: &str = "LOOPSCOPE_RUN_ID";

/// The process that is allowed to look into its descendants where the kernel restricts that (Yama). Set
/// by `loopscope run`.
pub const OBSERVER_PID: &str = "LOOPSCOPE_OBSERVER_PID";

/// The service's name, as the report shows it.
pub const SERVICE: &str = "LOOPSCOPE_SERVICE";

/// Busy periods from this many milliseconds on are stalls. Default 100.
pub const STALL_THRESHOLD_MS: &str = "LOOPSCOPE_STALL_THRESHOLD_MS";

/// The default of [`STALL_THRESHOLD_MS`], in nanoseconds.
pub const DEFAULT_STALL_THRESHOLD_NANOS: u64 = 100_000_000;

/// How an agent gets into programs that can take one: `SYMBOL:VARIABLE:FOLDER`. Where a program has the
/// symbol, the pulse puts the folder first in the list that the variable holds, before the program's first
/// line. Set by `loopscope run`.
pub const INTRODUCE: &str = "LOOPSCOPE_INTRODUCE";

/// Libraries that are not to be tracked, with commas between them; `all` for all of them.
pub const UNTRACKED: &str = "LOOPSCOPE_UNTRACKED";

/// Tracked calls from this many milliseconds on are slow. Default 2000.
pub const SLOW_CALL_THRESHOLD_MS: &str = "LOOPSCOPE_SLOW_CALL_THRESHOLD_MS";

/// The default of [`SLOW_CALL_THRESHOLD_MS`], in nanoseconds.
pub const DEFAULT_SLOW_CALL_THRESHOLD_NANOS: u64 = 2_000_000_000;

/// Where the supervisor of this process answers: an address and a port. Set by `loopscope run` where it listens.
pub const ENDPOINT: &str = "LOOPSCOPE_ENDPOINT";

/// That faults may be brought into this process on purpose: `RUN_ID:STALL_MS:BLOCKED_MS:RESTART_MS:PACE`. Without a
/// restart a blocked process is left as it is; growth is judged `PACE` times as fast as usual. Holds for that run alone.
/// Set by `loopscope run --allow-drill`.
pub const ALLOW_DRILL: &str = "LOOPSCOPE_ALLOW_DRILL";
