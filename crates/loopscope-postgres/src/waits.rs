//! Who waits for whom in the end: from each session and those right before it to the queue behind each first cause.

use std::collections::{BTreeMap, BTreeSet};

/// Longer queues are read no further.
const MOST_FOLLOWED: usize = 10_000;

/// The sessions that wait for each that waits for nobody, by those that each waits for. One that waits for several
/// is in the queue of each. Sessions that wait for each other and for nobody else are in none: the server ends such
/// a deadlock by itself.
pub(crate) fn queues(blockers: &BTreeMap<i32, Vec<i32>>) -> BTreeMap<i32, Vec<i32>> {
    let mut queues: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    for waiter in blockers.keys() {
        for holder in first_causes(*waiter, blockers) {
            queues.entry(holder).or_default().push(*waiter);
        }
    }
    queues
}

fn first_causes(waiter: i32, blockers: &BTreeMap<i32, Vec<i32>>) -> BTreeSet<i32> {
    let mut causes = BTreeSet::new();
    let mut met = BTreeSet::from([waiter]);
    let mut rest = vec![waiter];
    while let Some(session) = rest.pop() {
        match blockers.get(&session) {
            Some(before) if met.len() < MOST_FOLLOWED => {
                rest.extend(
                    before
                        .iter()
                        .copied()
                        .filter(|session| met.insert(*session)),
                );
            }
            Some(_) => {}
            None => {
                causes.insert(session);
            }
        }
    }
    causes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(waits: &[(i32, &[i32])]) -> Vec<(i32, Vec<i32>)> {
        let blockers = waits
            .iter()
            .map(|(waiter, before)| (*waiter, before.to_vec()));
        queues(&blockers.collect()).into_iter().collect()
    }

    #[test]
    fn a_queue_stands_behind_its_first_cause() {
        assert_eq!(
            of(&[(2, &[1]), (3, &[2]), (4, &[2, 3])]),
            [(1, vec![2, 3, 4])]
        );
    }

    #[test]
    fn one_that_waits_for_two_is_in_both_queues() {
        assert_eq!(
            of(&[(3, &[1, 2]), (4, &[2])]),
            [(1, vec![3]), (2, vec![3, 4])]
        );
    }

    #[test]
    fn a_deadlock_has_no_first_cause_and_one_behind_it_neither() {
        assert_eq!(of(&[(1, &[2]), (2, &[1]), (3, &[1])]), []);
        assert_eq!(of(&[(1, &[1])]), []);
    }
}
