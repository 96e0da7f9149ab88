//! Which processes descend from the run, found by walking `/proc`.
//!
//! Each process of the host is looked at once: its parent, where it was first seen, decides. One whose
//! parent has ended before that is nobody's descendant here; if it has a recording it is found by that.

use std::collections::BTreeMap;

use loopscope_inspect::kernel;

/// A chain of ancestors that is longer than this is one that was read while processes came and went.
const MOST_ANCESTORS: usize = 64;

/// Whether `pid` is `root` or descends from it, by the parents that there are now. One whose parent has ended
/// belongs to nobody here.
pub(super) fn descends(pid: u32, root: u32) -> bool {
    descends_by(pid, root, kernel::parent_pid)
}

fn descends_by(pid: u32, root: u32, parent_of: impl Fn(u32) -> Option<u32>) -> bool {
    let parents = std::iter::successors(Some(pid), |pid| parent_of(*pid));
    parents.take(MOST_ANCESTORS).any(|pid| pid == root)
}

/// The descendants of one process.
#[derive(Debug)]
pub struct Kin {
    root: u32,
    known: BTreeMap<u32, Known>,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    /// Tells it from a later process with its id.
    mark: u64,
    is_kin: bool,
}

impl Kin {
    /// The descendants of `root`, which is none itself.
    pub fn of(root: u32) -> Self {
        Self {
            root,
            known: BTreeMap::new(),
        }
    }

    /// Takes in the processes that there are now, each with a mark that a later one of its id does not have.
    pub fn update(&mut self, processes: &[(u32, u64)], parent_of: impl Fn(u32) -> Option<u32>) {
        let mut known = BTreeMap::new();
        let mut parents = BTreeMap::new();
        for (pid, mark) in processes {
            match self.known.get(pid) {
                Some(before) if before.mark == *mark => {
                    known.insert(*pid, *before);
                }
                _ => {
                    let is_kin = false;
                    known.insert(
                        *pid,
                        Known {
                            mark: *mark,
                            is_kin,
                        },
                    );
                    parents.extend(parent_of(*pid).map(|parent| (*pid, parent)));
                }
            }
        }
        self.known = known;
        // A child may have a smaller id than its parent, and both may be new.
        while self.adopt(&mut parents) {}
    }

    /// Whether any of the new ones turned out to be a descendant.
    fn adopt(&mut self, parents: &mut BTreeMap<u32, u32>) -> bool {
        let is_kin = |pid: &u32| *pid == self.root || self.known.get(pid).is_some_and(|k| k.is_kin);
        let found: Vec<u32> = parents
            .iter()
            .filter(|(_, parent)| is_kin(parent))
            .map(|(pid, _)| *pid)
            .collect();
        for pid in &found {
            parents.remove(pid);
            if let Some(known) = self.known.get_mut(pid) {
                known.is_kin = true;
            }
        }
        !found.is_empty()
    }

    /// The descendants that there are, with their marks.
    pub fn iter(&self) -> impl Iterator<Item = (u32, u64)> {
        let kin = self.known.iter().filter(|(_, known)| known.is_kin);
        kin.map(|(pid, known)| (*pid, known.mark))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The descendants of 10 after each of these listings of (id, mark, parent).
    fn kin_after(listings: &[&[(u32, u64, u32)]]) -> Vec<u32> {
        let mut kin = Kin::of(10);
        for listing in listings {
            let processes: Vec<_> = listing.iter().map(|(pid, mark, _)| (*pid, *mark)).collect();
            kin.update(&processes, |pid| {
                let mut found = listing.iter().filter(|one| one.0 == pid);
                found.next().map(|one| one.2)
            });
        }
        kin.iter().map(|(pid, _)| pid).collect()
    }

    #[test]
    fn a_process_descends_from_itself_and_from_its_ancestors() {
        let parent_of = |pid| {
            [(12, 11), (11, 10), (10, 1)]
                .into_iter()
                .find(|one| one.0 == pid)
        };
        let descends = |pid, root| descends_by(pid, root, |pid| parent_of(pid).map(|one| one.1));
        assert!(descends(12, 12) && descends(12, 10));
        assert!(!descends(10, 12) && !descends(13, 10));
        assert!(!descends_by(7, 9, Some), "a circle ends");
    }

    #[test]
    fn children_and_their_children_are_kin_in_whatever_order_they_are_listed() {
        let listing: &[_] = &[(1, 0, 0), (3, 0, 12), (10, 0, 1), (11, 0, 10), (12, 0, 11)];
        assert_eq!(kin_after(&[listing]), [3, 11, 12]);
    }

    #[test]
    fn a_child_stays_kin_when_its_parent_has_ended() {
        let before: &[_] = &[(10, 0, 1), (11, 0, 10), (12, 0, 11)];
        let after: &[_] = &[(10, 0, 1), (12, 0, 1), (13, 0, 12)];
        assert_eq!(kin_after(&[before, after]), [12, 13]);
    }

    #[test]
    fn another_process_with_the_id_of_a_child_is_no_kin() {
        let before: &[_] = &[(10, 0, 1), (11, 0, 10)];
        let after: &[_] = &[(10, 0, 1), (11, 7, 1), (14, 0, 11)];
        assert_eq!(kin_after(&[before, after]), [0; 0]);
    }
}
