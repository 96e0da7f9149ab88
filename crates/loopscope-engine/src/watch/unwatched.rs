//! The processes of the run that nobody watches: those that could not make their recording, and those that
//! the pulse never came into.
//!
//! Most processes of a run have no recording because they have no loop. The pulse in them says whether
//! they wanted one; where there is no pulse, an open epoll set is the sign of a loop. Each process costs
//! two readings of its mappings, and then a few words of its memory once a second.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use loopscope_inspect::kernel;

use super::kin::Kin;
use super::stranger::{Finding, Stranger};
use crate::observation::Fact;
use crate::time::Nanos;

/// The processes are walked this often at first, then twice as late each time.
const FIRST_WALK: Nanos = Nanos::from_millis(100);
const LAST_WALK: Nanos = Nanos::from_millis(1_000);

/// Programs without the pulse that are told by name: a run that starts one again and again need not hear of
/// each, and one that starts thousands of them need not hear of all.
const MOST_TOLD: usize = 32;

/// The pulse as it is loaded into the processes of the run.
#[derive(Clone, Debug)]
pub struct PulseObject {
    /// The file.
    pub path: PathBuf,
    /// Where in its image the pointer stands that [`loopscope_recorder::refusal`] tells of.
    pub page_address: u64,
}

/// Looks after the processes without a recording.
pub(super) struct Unwatched {
    /// By which mappings name the pulse.
    pulse_inode: u64,
    page_address: u64,
    pub(super) main_pid: u32,
    kin: Kin,
    strangers: BTreeMap<(u32, u64), Stranger>,
    told_programs: BTreeSet<String>,
    due: Nanos,
    distance: Nanos,
}

impl Unwatched {
    /// `None` where the pulse cannot be found.
    pub(super) fn new(pulse: &PulseObject, main_pid: u32) -> Option<Self> {
        Some(Self {
            pulse_inode: fs::metadata(&pulse.path).ok()?.ino(),
            page_address: pulse.page_address,
            main_pid,
            kin: Kin::of(std::process::id()),
            strangers: BTreeMap::new(),
            told_programs: BTreeSet::new(),
            due: Nanos(0),
            distance: FIRST_WALK,
        })
    }

    /// Walks the processes where that is due; `is_watched` says which have a recording.
    pub(super) fn look(
        &mut self,
        now: Nanos,
        is_watched: impl Fn(u32) -> bool,
        out: &mut Vec<Fact>,
    ) {
        if now < self.due {
            return;
        }
        self.due = now.plus(self.distance);
        self.distance = Nanos(self.distance.0 * 2).min(LAST_WALK);
        self.kin.update(&kernel::processes(), kernel::parent_pid);
        self.meet(now, is_watched, out);
        for stranger in self.strangers.values_mut() {
            stranger.visit(self.pulse_inode, now);
            match stranger.finding(self.page_address) {
                Some(Finding::Lost { reason, hint }) => stranger.tell_lost(&reason, hint, out),
                Some(Finding::Outside { reason, hint }) => {
                    let has_room = self.told_programs.len() < MOST_TOLD;
                    if has_room && self.told_programs.insert(stranger.program()) {
                        stranger.tell_outside(&reason, hint, out);
                    }
                }
                None => {}
            }
        }
    }

    /// Brings the strangers in line with the processes that there are.
    fn meet(&mut self, now: Nanos, is_watched: impl Fn(u32) -> bool, out: &mut Vec<Fact>) {
        let here: BTreeSet<(u32, u64)> = self.kin.iter().collect();
        self.strangers.retain(|place, stranger| {
            let is_gone = !here.contains(place);
            if is_gone {
                stranger.tell_gone(out);
            }
            !is_gone && !is_watched(place.0)
        });
        for place in here.into_iter().filter(|(pid, _)| !is_watched(*pid)) {
            if !self.strangers.contains_key(&place) {
                let stranger = Stranger::meet(place.0, place.0 == self.main_pid, now);
                self.strangers.extend(stranger.map(|one| (place, one)));
            }
        }
    }
}
