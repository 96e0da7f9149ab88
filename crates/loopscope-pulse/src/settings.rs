//! What the recording shall say of its process, and where it goes.
#![expect(unsafe_code, reason = "reads an agent's C strings")]

use std::ffi::{CStr, OsStr, c_char};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use loopscope_recorder::environment;
use loopscope_recorder::folder::named_candidates;
use loopscope_recorder::hooking::HookSpec;
use loopscope_recorder::writer::RecordingSpec;

/// What the environment said when the program was loaded, which may change it later; or what an agent said
/// that loaded us.
pub(crate) struct Settings {
    pub(crate) spec: RecordingSpec,
    pub(crate) folders: Vec<PathBuf>,
    pub(crate) observer_pid: Option<u32>,
}

impl Settings {
    /// What an agent said, and the environment where it said nothing.
    ///
    /// # Safety
    /// The pointers in `spec` are null or valid.
    pub(crate) unsafe fn told(spec: &HookSpec) -> Self {
        let mut settings = Self::read();
        let or = |told: u64, read: u64| if told == 0 { read } else { told };
        let read = &mut settings.spec;
        read.run_id = or(spec.run_id, read.run_id);
        read.stall_threshold_nanos = or(spec.stall_threshold_nanos, read.stall_threshold_nanos);
        read.slow_threshold_nanos = or(spec.slow_threshold_nanos, read.slow_threshold_nanos);
        // SAFETY: by contract.
        if let Some(service) = unsafe { c_text(spec.service) } {
            read.service = String::from_utf8_lossy(service).into_owned();
        }
        // SAFETY: by contract.
        if let Some(folder) = unsafe { c_text(spec.folder) } {
            let folder = OsStr::from_bytes(folder);
            settings.folders.insert(0, folder.into());
        }
        settings
    }

    /// What the environment says now.
    pub(crate) fn read() -> Self {
        let text = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let nanos = |name, default| {
            let given = text(name).and_then(|value| value.parse::<u64>().ok());
            given.map_or(default, |millis| millis.saturating_mul(1_000_000))
        };
        let spec = RecordingSpec {
            run_id: text(environment::RUN_ID)
                .and_then(|value| u64::from_str_radix(&value, 16).ok())
                .unwrap_or(0),
            service: text(environment::SERVICE).unwrap_or_default(),
            stall_threshold_nanos: nanos(
                environment::STALL_THRESHOLD_MS,
                environment::DEFAULT_STALL_THRESHOLD_NANOS,
            ),
            slow_threshold_nanos: nanos(
                environment::SLOW_CALL_THRESHOLD_MS,
                environment::DEFAULT_SLOW_CALL_THRESHOLD_NANOS,
            ),
        };
        let observer_pid = text(environment::OBSERVER_PID).and_then(|value| value.parse().ok());
        Self {
            spec,
            folders: named_candidates(),
            observer_pid,
        }
    }
}

/// A C string that is not empty.
///
/// # Safety
/// `text` is null or a C string, which stays valid for as long as it is used.
unsafe fn c_text<'a>(text: *const c_char) -> Option<&'a [u8]> {
    if text.is_null() {
        return None;
    }
    // SAFETY: by contract.
    let text = unsafe { CStr::from_ptr(text) };
    Some(text.to_bytes()).filter(|bytes| !bytes.is_empty())
}
