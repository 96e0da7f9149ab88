//! One thread's loop: which poll is its own, and the stamping of it.
//!
//! A thread that polls an epoll set is taken for a loop from its first poll on; other sets must be polled
//! again and again, unless an agent said that a loop is about to run there. What is no loop the observer
//! passes over. While a thread has a loop, another set polled on that thread is work inside the loop (a
//! database driver that waits for its socket, a synchronous client in a handler) and leaves no mark, unless
//! it goes on for so long without the loop that it has taken the loop's place.

use std::cell::Cell;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use loopscope_recorder::clock::monotonic_nanos;
use loopscope_recorder::layout::PollKind;
use loopscope_recorder::writer::LoopWriter;

use crate::process;

/// Polls of one epoll set that make a thread without a loop one, and of any set where a loop is expected:
/// the first, for a program may well block in its loop's first turn. What polls once and is no loop the
/// observer passes over.
const POLLS_TO_BEGIN: u32 = 1;

/// Polls of another set, with none of the loop's own between them, that make it the thread's loop. A
/// synchronous call inside a handler seldom waits so often; a second loop soon does.
const POLLS_TO_REPLACE: u32 = 16;

/// How long a loop that does not poll stays the thread's loop while what may be its own handler polls
/// another set: longer than a handler should ever wait, short enough to find the loop of a program
/// that left an earlier one open.
const LOOP_HOLDS_NANOS: u64 = 60_000_000_000;

/// How much deeper in the stack a poll must be than the loop's own to be taken for a handler's. A handler
/// is called by the function that polls; a loop that comes after another stands about where that stood, and
/// so does the loop itself where its set has changed.
const HANDLER_DEPTH_BYTES: usize = 512;

/// A bit for each epoll descriptor, by its lower bits, that any thread ever polled. Most descriptors that are
/// closed are none, and then this thread's state need not be touched: where this object was loaded late, its
/// first touch allocates, which a signal handler or a bare child may not.
static POLLED: [AtomicU64; 16] = [const { AtomicU64::new(0) }; 16];

thread_local! {
    // No destructor and a constant start: reading it allocates nothing and cannot fail.
    static WATCH: ThreadWatch = const { ThreadWatch::new() };
    static END_WITH_THREAD: EndWithThread = const { EndWithThread };
}

struct ThreadWatch {
    /// What [`process::watch`] said when this was noted; another value means that none of it holds any more.
    watch: Cell<u64>,
    /// The poll key of this thread's loop, 0 for none.
    key: Cell<u64>,
    writer: Cell<Option<LoopWriter>>,
    /// An agent said that a loop runs on this thread, or is about to.
    expects_loop: Cell<bool>,
    /// Where in the stack the loop polls.
    position: Cell<usize>,
    /// Another key, and how often it polled since the loop last did.
    other_key: Cell<u64>,
    other_polls: Cell<u32>,
}

/// Ends the thread's loop when the thread ends.
struct EndWithThread;

impl Drop for EndWithThread {
    fn drop(&mut self) {
        WATCH.with(ThreadWatch::end_loop);
    }
}

/// A stamped way into the poll, to be matched by [`Turn::leave`].
pub(crate) struct Turn {
    writer: Option<LoopWriter>,
    entered_nanos: u64,
    /// What [`process::watch`] said then.
    watch: u64,
}

impl Turn {
    const UNSEEN: Self = Self {
        writer: None,
        entered_nanos: 0,
        watch: 0,
    };

    /// The poll returned. Where a signal's handler forked during the poll it does so twice, and the
    /// second time in a child that must not write. Nor must a thread whose poll is no longer hooked: it
    /// would seem to be busy for ever.
    #[inline]
    pub(crate) fn leave(self) {
        if let Some(writer) = self.writer
            && self.watch == process::watch()
        {
            writer.leave_poll(self.entered_nanos, monotonic_nanos());
        }
    }
}

/// Packs what is polled into one word that is never 0.
#[inline]
pub(crate) const fn poll_key(kind: PollKind, set: u32) -> u64 {
    (kind as u64) << 32 | set as u64
}

const fn kind_of(key: u64) -> u64 {
    key >> 32
}

const fn is_epoll(key: u64) -> bool {
    kind_of(key) == PollKind::Epoll as u64
}

/// The calling thread is about to poll. `waits` is false when the poll returns at once.
#[inline]
pub(crate) fn enter(key: u64, waits: bool) -> Turn {
    WATCH.with(|watch| {
        if watch.key.get() != key || watch.watch.get() != process::watch() {
            return watch.enter_other(key, waits);
        }
        watch.other_polls.set(0);
        match watch.writer.get() {
            Some(writer) => stamp(writer, watch.watch.get(), waits),
            None => Turn::UNSEEN,
        }
    })
}

/// A loop runs on the calling thread, or is about to.
pub(crate) fn expect_loop() {
    WATCH.with(|watch| {
        watch.follow(process::watch());
        watch.expects_loop.set(true);
    });
}

/// Whether the calling thread may have a loop that polls a single descriptor.
#[inline]
pub(crate) fn may_poll_one() -> bool {
    WATCH.with(|watch| watch.expects_loop.get() && !is_epoll(watch.key.get()))
}

/// As [`enter`], for a set that may be of no interest.
#[inline]
pub(crate) fn enter_set(key: Option<u64>, waits: bool) -> Turn {
    key.map_or(Turn::UNSEEN, |key| enter(key, waits))
}

/// An epoll descriptor is closed, or handed out anew, by the calling thread: the loop that polled it is
/// over. A set that is made anew for each wait, as drivers do, never becomes a loop.
#[inline]
pub(crate) fn forget_epoll(fd: i32) {
    let (word, bit) = polled_bit(fd as u32);
    if word.load(Relaxed) & bit == 0 {
        return;
    }
    WATCH.with(|watch| {
        let key = poll_key(PollKind::Epoll, fd as u32);
        if watch.key.get() == key {
            watch.forget();
        } else if watch.other_key.get() == key {
            watch.other_key.set(0);
        }
    });
}

/// The calling thread is in the middle of a turn of the loop that polls this epoll descriptor.
pub(crate) fn note_turn(epoll: i32) {
    if epoll >= 0 {
        WATCH.with(|watch| watch.take_up(poll_key(PollKind::Epoll, epoll as u32)));
    }
}

fn note_polled(key: u64) {
    if is_epoll(key) {
        let (word, bit) = polled_bit(key as u32);
        word.fetch_or(bit, Relaxed);
    }
}

#[inline]
fn polled_bit(fd: u32) -> (&'static AtomicU64, u64) {
    let place = fd as usize % (POLLED.len() * 64);
    (&POLLED[place / 64], 1 << (place % 64))
}

/// About where in its stack the caller is; the stack grows downwards.
#[inline(never)]
fn stack_position() -> usize {
    let here = 0u8;
    std::hint::black_box(&raw const here).addr()
}

#[inline]
fn stamp(writer: LoopWriter, watch: u64, waits: bool) -> Turn {
    let now = monotonic_nanos();
    writer.enter_poll(now, waits);
    let writer = if waits { Some(writer) } else { None };
    Turn {
        writer,
        entered_nanos: now,
        watch,
    }
}

impl ThreadWatch {
    const fn new() -> Self {
        Self {
            watch: Cell::new(0),
            key: Cell::new(0),
            writer: Cell::new(None),
            expects_loop: Cell::new(false),
            position: Cell::new(0),
            other_key: Cell::new(0),
            other_polls: Cell::new(0),
        }
    }

    /// A poll of a set that is not this thread's loop, or not yet.
    #[cold]
    fn enter_other(&self, key: u64, waits: bool) -> Turn {
        process::guarded(|| self.consider(key, waits)).unwrap_or(Turn::UNSEEN)
    }

    fn consider(&self, key: u64, waits: bool) -> Turn {
        if !process::is_watching() {
            return Turn::UNSEEN;
        }
        note_polled(key);
        self.follow(process::watch());
        let polls = if self.other_key.replace(key) == key {
            self.other_polls.get().saturating_add(1)
        } else {
            1
        };
        self.other_polls.set(polls);
        let position = stack_position();
        if let Some(writer) = self.writer.get().filter(|_| self.is_own_set(key, position)) {
            self.key.set(key);
            self.other_polls.set(0);
            return stamp(writer, self.watch.get(), waits);
        }
        if polls < self.polls_needed(key) || self.is_held(key, position) {
            return Turn::UNSEEN;
        }
        // Only a real loop makes a recording: most programs never have one.
        self.replace_loop(key, waits, position)
    }

    /// The thread's loop is in the middle of a turn. Where in the stack it polls is not known; whatever
    /// polls meanwhile does so deeper.
    fn take_up(&self, key: u64) {
        self.follow(process::watch());
        if process::is_watching() && self.key.get() != key {
            note_polled(key);
            // A poll that cannot wait leaves the loop busy.
            self.replace_loop(key, false, usize::MAX);
        }
    }

    fn replace_loop(&self, key: u64, waits: bool, position: usize) -> Turn {
        let watch = process::watch_or_begin();
        if watch == 0 {
            return Turn::UNSEEN;
        }
        self.end_loop();
        self.watch.set(watch);
        self.position.set(position);
        self.begin_loop(key, waits)
    }

    /// Drops what was inherited over a fork, where the writer is the parent's and must not be touched, or
    /// what was known before an unwatched time.
    fn follow(&self, watch: u64) {
        if self.watch.replace(watch) != watch {
            self.writer.set(None);
            self.key.set(0);
            self.other_key.set(0);
            self.expects_loop.set(false);
        }
    }

    /// Whether this is the loop's own set with other descriptors in it. An epoll set keeps its number; what
    /// is given to `poll` and `select` is known by its members, and those come and go with the clients.
    fn is_own_set(&self, key: u64, position: usize) -> bool {
        let is_there = position.abs_diff(self.position.get()) <= HANDLER_DEPTH_BYTES;
        is_there && !is_epoll(key) && kind_of(key) == kind_of(self.key.get())
    }

    /// How many polls in a row make this set the thread's loop.
    fn polls_needed(&self, key: u64) -> u32 {
        let current = self.key.get();
        let has_rival = current != 0 && (is_epoll(current) || !is_epoll(key));
        let begins = is_epoll(key) || self.expects_loop.get();
        if has_rival || !begins {
            POLLS_TO_REPLACE
        } else {
            POLLS_TO_BEGIN
        }
    }

    /// Whether the thread's loop is still to be taken for the loop, however often another set polls: a
    /// handler that waits for a database or a talkative child does so a hundred times over. A loop that is
    /// expected holds against handlers only; others that poll and select are seldom loops at all.
    fn is_held(&self, key: u64, position: usize) -> bool {
        let is_handlers = position.saturating_add(HANDLER_DEPTH_BYTES) < self.position.get();
        let may_hold = if is_epoll(self.key.get()) {
            is_handlers || !is_epoll(key)
        } else {
            is_handlers && self.expects_loop.get() && !is_epoll(key)
        };
        may_hold
            && self.writer.get().is_some_and(|writer| {
                let unseen = monotonic_nanos().saturating_sub(writer.last_beat_nanos());
                unseen < LOOP_HOLDS_NANOS
            })
    }

    fn begin_loop(&self, key: u64, waits: bool) -> Turn {
        self.key.set(key);
        self.other_polls.set(0);
        let writer = process::claim_loop(key);
        self.writer.set(writer);
        // Registers the destructor; fails only while the thread is ending, and then the process's end or
        // the observer sees to it.
        let _ = END_WITH_THREAD.try_with(|_| ());
        writer.map_or(Turn::UNSEEN, |writer| {
            stamp(writer, self.watch.get(), waits)
        })
    }

    #[cold]
    fn forget(&self) {
        // A child that shares our memory until it calls `exec` closes descriptors of its own, not ours.
        if self.watch.get() == process::watch() && process::is_this_process() {
            self.end_loop();
            self.key.set(0);
            self.other_key.set(0);
        }
    }

    fn end_loop(&self) {
        let writer = self.writer.take();
        if let Some(writer) = writer.filter(|_| self.watch.get() == process::watch()) {
            writer.end();
        }
    }
}
