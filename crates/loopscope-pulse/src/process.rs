//! The process's state: its recording, and the proof that it is still this process's.
//!
//! The proof is one word on a page that the kernel wipes in a forked child. A child therefore reads 0,
//! whatever call forked it, and stays silent until it has a recording of its own.
#![expect(
    unsafe_code,
    reason = "maps the wiped page and registers process-wide handlers"
)]

use std::ffi::{c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};
use std::ptr::null_mut;
use std::sync::OnceLock;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize};

use loopscope_recorder::folder::RuntimeFolder;
use loopscope_recorder::hooking::{HookSpec, Hooked};
use loopscope_recorder::layout::PollKind;
use loopscope_recorder::refusal::Refusal;
use loopscope_recorder::writer::{LoopSpec, LoopWriter, Recording};

use crate::hooking::comes_before;
use crate::introduce::introduce;
use crate::settings::Settings;
use crate::{ending, interpose};

/// What stands on the wiped page.
#[repr(C)]
struct ProcessPage {
    /// Why this process has no recording, as a code; 0 where nothing was refused. The first word, since
    /// the observer reads it.
    refusal: AtomicU32,
    /// Counts the processes on the way here; 0 before this one has begun.
    epoch: AtomicU64,
    /// Counts the times that watching began or ceased on the way here; 0 before this process has begun.
    watch: AtomicU64,
    /// 1 while a thread begins this process; no other one waits for it.
    beginning: AtomicU32,
    /// 1 while a thread changes import slots; no other one waits for it.
    hooking: AtomicU32,
    /// 1 where the C library knows of this process: it was loaded by it, or forked by its `fork`.
    known: AtomicU32,
}

static UNWIPED: ProcessPage = ProcessPage {
    refusal: AtomicU32::new(0),
    epoch: AtomicU64::new(0),
    watch: AtomicU64::new(0),
    beginning: AtomicU32::new(0),
    hooking: AtomicU32::new(0),
    known: AtomicU32::new(1),
};
static PAGE: AtomicPtr<ProcessPage> = AtomicPtr::new(null_mut());
/// The same, by a name for the observer. Apart from the other, which the hot path reads: what is exported
/// is read through one more table.
#[unsafe(no_mangle)]
static LOOPSCOPE_PULSE_PAGE: AtomicPtr<ProcessPage> = AtomicPtr::new(null_mut());
static LAST_EPOCH: AtomicU64 = AtomicU64::new(0);
static LAST_WATCH: AtomicU64 = AtomicU64::new(0);
/// Whether loops are to be seen: from the start where we were preloaded, else while the slots are hooked.
static IS_WATCHING: AtomicBool = AtomicBool::new(false);
static IS_PRELOADED: AtomicBool = AtomicBool::new(false);
/// An address in the C library.
static C_LIBRARY: AtomicUsize = AtomicUsize::new(0);
static OWN_PID: AtomicU32 = AtomicU32::new(0);
static RECORDING: OnceSlot = OnceSlot::new();
static SINGLE_THREADED: AtomicPtr<AtomicU8> = AtomicPtr::new(null_mut());
static SETTINGS: OnceLock<Settings> = OnceLock::new();

/// The recording of the current epoch. Replaced after a fork, never freed: threads keep handles.
struct OnceSlot(AtomicPtr<Recording>);

impl OnceSlot {
    const fn new() -> Self {
        Self(AtomicPtr::new(null_mut()))
    }

    fn set(&self, recording: Option<Recording>) {
        let leaked = recording.map_or(null_mut(), |found| Box::into_raw(Box::new(found)));
        self.0.store(leaked, Release);
    }

    fn get(&self) -> Option<Recording> {
        // SAFETY: the pointer is null or came from `Box::into_raw` and is never freed.
        unsafe { self.0.load(Acquire).as_ref() }.copied()
    }
}

/// The current process's number, 0 before it has begun.
#[inline]
pub(crate) fn epoch() -> u64 {
    page().epoch.load(Relaxed)
}

/// What [`epoch`] is to the process, this is to its loops: another value than before means that whatever is
/// known of a thread's loop is to be forgotten, since the process is another one or was not watched meanwhile.
#[inline]
pub(crate) fn watch() -> u64 {
    page().watch.load(Relaxed)
}

/// Whether loops are to be seen.
pub(crate) fn is_watching() -> bool {
    IS_WATCHING.load(Relaxed)
}

/// Whether the program finds our functions by their names.
pub(crate) fn is_preloaded() -> bool {
    IS_PRELOADED.load(Relaxed)
}

/// An address in the C library, 0 where it was not found.
pub(crate) fn c_library() -> usize {
    C_LIBRARY.load(Relaxed)
}

/// The word that [`epoch`] reads.
pub(crate) fn epoch_word() -> &'static AtomicU64 {
    &page().epoch
}

/// The recording of this process; `None` where none could be had.
pub(crate) fn recording() -> Option<Recording> {
    RECORDING.get()
}

#[inline]
fn page() -> &'static ProcessPage {
    // SAFETY: the pointer is null or a mapping that is never unmapped, zeroed by the kernel, for which
    // every bit pattern is valid.
    unsafe { PAGE.load(Relaxed).as_ref() }.unwrap_or(&UNWIPED)
}

/// The current process's number; begins the process when this is its first loop. 0 while another thread
/// does so.
pub(crate) fn epoch_or_begin() -> u64 {
    let page = page();
    let epoch = page.epoch.load(Acquire);
    if epoch != 0 || !may_allocate(page) || page.beginning.swap(1, Acquire) != 0 {
        return epoch;
    }
    begin(page)
}

/// As [`epoch_or_begin`], for [`watch`].
pub(crate) fn watch_or_begin() -> u64 {
    match epoch_or_begin() {
        0 => 0,
        _ => watch(),
    }
}

/// Does what one thread alone may do at a time; says so where another one does.
pub(crate) fn alone(work: impl FnOnce() -> Hooked) -> Hooked {
    let page = page();
    if page.hooking.swap(1, Acquire) != 0 {
        return Hooked::Busy;
    }
    let result = catch_unwind(AssertUnwindSafe(work));
    page.hooking.store(0, Release);
    result.unwrap_or(Hooked::Failed)
}

/// Takes an agent's word for what the recording shall say, unless that is settled.
///
/// # Safety
/// The pointers in `spec` are null or valid.
pub(crate) unsafe fn settle(spec: &HookSpec) {
    SETTINGS.get_or_init(|| {
        // SAFETY: by contract.
        unsafe { Settings::told(spec) }
    });
}

/// Loops are to be seen from now on.
pub(crate) fn resume() {
    if !is_watching() {
        renew_watch();
        IS_WATCHING.store(true, Relaxed);
    }
}

/// Loops are no longer to be seen, and those that were are over. Threads that are inside a poll leave it
/// without a mark.
pub(crate) fn pause() {
    IS_WATCHING.store(false, Relaxed);
    renew_watch();
}

/// Makes all threads forget their loops, and ends these. A thread that was just about to take a slot leaves
/// one that looks like an idle loop until the next time.
fn renew_watch() {
    let page = page();
    if page.epoch.load(Acquire) == 0 {
        return;
    }
    page.watch
        .store(LAST_WATCH.fetch_add(1, Relaxed) + 1, Release);
    if let Some(recording) = RECORDING.get() {
        recording.end_loops();
    }
}

/// Whether the C library's locks can be trusted to be free some day.
///
/// A child that was made by `_Fork` or a bare `clone` while its parent had several threads may find the
/// allocator's lock held by a thread that it does not have, and would wait for ever. Such a child stays
/// unobserved.
fn may_allocate(page: &ProcessPage) -> bool {
    page.known.load(Relaxed) == 1 || is_single_threaded()
}

/// Whether the caller is the process that has begun here: not a child that borrows its memory.
pub(crate) fn is_this_process() -> bool {
    own_pid() == OWN_PID.load(Relaxed)
}

/// Records a loop of the calling thread; `None` where there is no recording or no room.
pub(crate) fn claim_loop(key: u64) -> Option<LoopWriter> {
    if !is_watching() {
        return None;
    }
    let kind = match key >> 32 {
        value if value == PollKind::Poll as u64 => PollKind::Poll,
        value if value == PollKind::Select as u64 => PollKind::Select,
        _ => PollKind::Epoll,
    };
    let mut name = [0u8; 16];
    // SAFETY: PR_GET_NAME writes at most 16 bytes, the terminating zero included.
    unsafe { libc::prctl(libc::PR_GET_NAME, name.as_mut_ptr()) };
    let length = name
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(name.len());
    RECORDING.get()?.claim_loop(&LoopSpec {
        kind,
        poll_key: key & u64::from(u32::MAX),
        // SAFETY: takes nothing, cannot fail.
        thread_id: unsafe { libc::gettid() } as u32,
        thread_name: String::from_utf8_lossy(&name[..length]).into_owned(),
    })
}

/// The process ends in order. `status` where it is known.
pub(crate) fn close(status: Option<i32>) {
    if epoch() == 0 || !is_this_process() {
        return;
    }
    if let Some(recording) = RECORDING.get() {
        recording.close(status);
    }
}

/// Runs what may fail, with `errno` left as it was. Nothing unwinds into the program.
///
/// Nor out of it: a thread that is to be cancelled would go at the first file that we open, its unwinding
/// would meet a Rust frame that catches, and that ends the whole process. It goes at its own call instead.
pub(crate) fn guarded<T>(work: impl FnOnce() -> T) -> Option<T> {
    // SAFETY: the address of this thread's errno is always valid.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: as above.
    let before = unsafe { *errno };
    let cancellable = set_cancellable(PTHREAD_CANCEL_DISABLE);
    let result = catch_unwind(AssertUnwindSafe(work)).ok();
    set_cancellable(cancellable);
    // SAFETY: as above.
    unsafe { *errno = before };
    result
}

/// Sets whether the calling thread can be cancelled; returns what was set before.
fn set_cancellable(state: c_int) -> c_int {
    let mut before = state;
    // SAFETY: the pointer is to a local; the state is one of the two known ones.
    unsafe { pthread_setcancelstate(state, &mut before) };
    before
}

/// Runs when the object is loaded: before the program's first line and while there is one thread, where it
/// was preloaded. Where it was not, nothing is asked of the environment before an agent asks for the hooks,
/// and nothing in it is changed at all.
extern "C" fn load() {
    guarded(|| {
        // Our own copy of the standard library: the hook is not the program's.
        set_hook(Box::new(|_| {}));
        look_up_functions();
        let is_preloaded = comes_before(load as *const () as usize, c_library());
        IS_PRELOADED.store(is_preloaded, Relaxed);
        IS_WATCHING.store(is_preloaded, Relaxed);
        if is_preloaded {
            SETTINGS.get_or_init(Settings::read);
        }
        let wiped = map_wiped_page();
        PAGE.store(wiped, Release);
        LOOPSCOPE_PULSE_PAGE.store(wiped, Release);
        page().known.store(1, Relaxed);
        if is_preloaded {
            introduce();
        }
    });
}

/// Everything that the loader is ever asked for on a loop's behalf.
fn look_up_functions() {
    for one in interpose::STAND_INS.iter().chain(&ending::STAND_INS) {
        let found = one.real.look_up();
        // The last of them: any function of the C library will do.
        C_LIBRARY.store(found.addr(), Relaxed);
    }
    // SAFETY: looks a name up; it is a byte that lives as long as the C library.
    let flag = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"__libc_single_threaded".as_ptr()) };
    SINGLE_THREADED.store(flag.cast(), Relaxed);
    // SAFETY: takes nothing. It clears the failure that a missing name left, which is not the program's.
    unsafe { libc::dlerror() };
}

/// Runs when the program returns from `main` or calls `exit`.
extern "C" fn exited(status: c_int, _: *mut c_void) {
    guarded(|| close(Some(status)));
}

/// What glibc (2.32 and later) says of the process, from before a fork that it was not told of. False
/// where it does not say.
fn is_single_threaded() -> bool {
    let flag = SINGLE_THREADED.load(Relaxed);
    // SAFETY: null, or the address of the C library's own byte, which other threads may set.
    unsafe { flag.as_ref() }.is_some_and(|flag| flag.load(Relaxed) != 0)
}

/// Runs in a child right after the C library's `fork`; also for kernels that do not wipe pages.
extern "C" fn forked() {
    let page = page();
    page.epoch.store(0, Relaxed);
    page.watch.store(0, Relaxed);
    page.refusal.store(0, Relaxed);
    page.beginning.store(0, Relaxed);
    page.hooking.store(0, Relaxed);
    page.known.store(1, Relaxed);
}

#[used]
#[unsafe(link_section = ".init_array")]
static LOAD: extern "C" fn() = load;

unsafe extern "C" {
    // In glibc since 1996, in no header that the libc crate reads.
    fn on_exit(function: extern "C" fn(c_int, *mut c_void), argument: *mut c_void) -> c_int;

    // In every POSIX threads library; the libc crate leaves it out for Linux.
    fn pthread_setcancelstate(state: c_int, before: *mut c_int) -> c_int;
}

/// Of `pthread.h`, the same in glibc and musl.
const PTHREAD_CANCEL_DISABLE: c_int = 1;

fn begin(page: &ProcessPage) -> u64 {
    let settings = SETTINGS.get_or_init(Settings::read);
    OWN_PID.store(own_pid(), Relaxed);
    let created = create_recording(settings);
    let refused = created.as_ref().err().map_or(0, |refusal| refusal.code());
    page.refusal.store(refused, Relaxed);
    RECORDING.set(created.ok());
    let epoch = LAST_EPOCH.load(Relaxed) + 1;
    if LAST_EPOCH.swap(epoch, Relaxed) == 0 {
        // Handlers are inherited over a fork, so once is enough.
        // SAFETY: the function has the required type and lives as long as the process.
        unsafe { on_exit(exited, null_mut()) };
    }
    if let Some(observer) = settings.observer_pid {
        // SAFETY: PR_SET_PTRACER takes a pid; where the kernel knows no such option it refuses.
        unsafe { libc::prctl(libc::PR_SET_PTRACER, libc::c_ulong::from(observer)) };
    }
    page.watch
        .store(LAST_WATCH.fetch_add(1, Relaxed) + 1, Release);
    page.epoch.store(epoch, Release);
    epoch
}

fn create_recording(settings: &Settings) -> Result<Recording, Refusal> {
    let folder = RuntimeFolder::open_among(&settings.folders);
    let folder = folder.map_err(|error| Refusal::from(&error))?;
    Recording::create(&folder, &settings.spec).map_err(|error| Refusal::from(&error))
}

fn own_pid() -> u32 {
    // SAFETY: takes nothing, cannot fail.
    unsafe { libc::getpid() as u32 }
}

/// A zeroed page that reads as zero in a forked child; null where it cannot be had.
fn map_wiped_page() -> *mut ProcessPage {
    // SAFETY: the function has the required type and lives as long as the process.
    unsafe { libc::pthread_atfork(None, None, Some(forked_handler())) };
    let (length, access) = (4096, libc::PROT_READ | libc::PROT_WRITE);
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: a fresh anonymous mapping at an address of the kernel's choice.
    let page = unsafe { libc::mmap(null_mut(), length, access, flags, -1, 0) };
    if page == libc::MAP_FAILED {
        return null_mut();
    }
    // SAFETY: the range is the mapping made above. Refused by kernels before 4.14: `forked` remains.
    unsafe { libc::madvise(page, length, libc::MADV_WIPEONFORK) };
    page.cast()
}

fn forked_handler() -> unsafe extern "C" fn() {
    forked
}
