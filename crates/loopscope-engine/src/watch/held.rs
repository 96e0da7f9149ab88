//! Who has the connections of a process, where these holders stand, and who waits.
//!
//! Told of those that somebody has had, or has waited for, for a second and longer: what lies between two statements is no
//! news.

use loopscope_recorder::reader::{ConnectionState, HolderState};

use super::sampling::{Expected, Sampler, ThreadView};
use crate::in_app::is_in_app;
use crate::observation::{EventFrame, Fact, Frame, HeldConnection, ProcessKey};
use crate::time::Nanos;

/// A connection is told of that has been taken for so long.
const LONG: Nanos = Nanos::from_millis(1_000);

/// How often it is looked.
const AGAIN: Nanos = Nanos::from_millis(1_000);

/// Connections that are told of at once, the longest taken first, and as many who wait.
const MOST: usize = 64;

/// Holders that are looked up at once, one for each line that asked: some tens of microseconds each.
const MOST_LOOKS: usize = 8;

/// What was told of a process's connections.
#[derive(Debug, Default)]
pub(super) struct Held {
    due: Nanos,
    told: Vec<HeldConnection>,
}

impl Held {
    /// Looks where that is due, and tells what is new.
    pub(super) fn look(
        &mut self,
        process: ProcessKey,
        connections: &[ConnectionState],
        sampler: &mut Sampler,
        now: Nanos,
        out: &mut Vec<Fact>,
    ) {
        if now < self.due {
            return self.tell_returned(process, connections, out);
        }
        self.due = now.plus(AGAIN);
        let taken = connections.iter().filter_map(|connection| {
            let since = Nanos(connection.taken_nanos?);
            (now.since(since) >= LONG).then_some((since, connection))
        });
        let mut taken: Vec<_> = taken.collect();
        taken.sort_by_key(|(since, connection)| (*since, connection.slot));
        let (mut taken, mut waiting): (Vec<_>, Vec<_>) =
            taken.into_iter().partition(|(_, one)| !one.waits);
        taken.truncate(MOST);
        waiting.truncate(MOST);
        taken.append(&mut waiting);
        let mut looked_up: Vec<&EventFrame> = Vec::new();
        let mut held: Vec<HeldConnection> = Vec::new();
        let known: Vec<_> = taken.iter().map(|(_, of)| asked_at(of)).collect();
        for ((since, connection), asked_at) in taken.into_iter().zip(&known) {
            let is_new = asked_at
                .as_ref()
                .is_some_and(|place| !looked_up.contains(&place));
            let holder = connection.holder.as_ref();
            let task = holder.map(|holder| holder.task_name.clone());
            let mut one = HeldConnection {
                task: task.filter(|name| !name.is_empty()),
                pool: connection.pool,
                backend: connection.backend,
                since,
                asked_at: asked_at.clone(),
                waits: connection.waits,
                ..HeldConnection::default()
            };
            if let (Some(place), Some(holder)) = (asked_at, holder)
                && is_new
                && !connection.waits
                && looked_up.len() < MOST_LOOKS
                // Nothing on a stack could be compared with a line alone, as a service in Rust tells.
                && !place.function.is_empty()
            {
                looked_up.push(place);
                look_up(&mut one, holder, place, sampler);
            }
            held.push(one);
        }
        if held != self.told {
            self.told.clone_from(&held);
            out.push(Fact::ConnectionsHeld {
                process,
                connections: held,
            });
        }
    }

    /// Those that were given back are told of at once, so that nobody is said to have what lies in its pool.
    fn tell_returned(
        &mut self,
        process: ProcessKey,
        connections: &[ConnectionState],
        out: &mut Vec<Fact>,
    ) {
        let before = self.told.len();
        self.told.retain(|one| {
            let is_it = |connection: &ConnectionState| {
                connection.taken_nanos == Some(one.since.0)
                    && (connection.pool, connection.backend, connection.waits)
                        == (one.pool, one.backend, one.waits)
            };
            connections.iter().any(is_it)
        });
        if self.told.len() < before {
            out.push(Fact::ConnectionsHeld {
                process,
                connections: self.told.clone(),
            });
        }
    }
}

fn asked_at(connection: &ConnectionState) -> Option<EventFrame> {
    let holder = connection.holder.as_ref()?;
    (!holder.file.is_empty()).then(|| EventFrame {
        file: holder.file.clone(),
        line: holder.line,
        function: holder.function.clone(),
    })
}

/// Looks where a holder stands. A task's address may be another one's by now: it is believed by its name, and asyncio
/// gives each of its own names once. A thread is believed while it is still in the function that asked.
fn look_up(
    one: &mut HeldConnection,
    holder: &HolderState,
    asked_at: &EventFrame,
    sampler: &mut Sampler,
) {
    let Some(address) = holder.task else {
        let sample = sampler.sample(holder.thread_id, Expected::default());
        let frames = sample.map(|sample| sample.frames).unwrap_or_default();
        if frames.iter().any(|frame| is_at(frame, asked_at)) {
            one.stands_at = innermost(frames.iter());
        }
        return;
    };
    let Some(task) = sampler.waiting_task(address) else {
        return;
    };
    if !holder.task_name.is_empty() && *task.name == *holder.task_name {
        one.stands_at = innermost(task.await_chain.iter().rev());
    }
}

/// Whether a frame is of the function that asked. What was written down is the end of the file's path, and the
/// qualified name; interpreters before 3.11 know only its last part.
fn is_at(frame: &Frame, asked_at: &EventFrame) -> bool {
    let function = asked_at.function.rsplit('.').next();
    frame.file.ends_with(&asked_at.file) && frame.function.rsplit('.').next() == function
}

/// The innermost line of the program itself, or of anything.
fn innermost<'a>(innermost_first: impl Iterator<Item = &'a Frame> + Clone) -> Option<EventFrame> {
    let own = innermost_first.clone().find(|frame| is_in_app(frame));
    let frame = own.or_else(|| innermost_first.clone().next())?;
    Some(EventFrame {
        file: frame.file.to_string(),
        line: frame.line,
        function: frame.function.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{millis, process_key};

    fn taken(slot: u32, since: u64) -> ConnectionState {
        ConnectionState {
            slot,
            generation: 0,
            pool: 3,
            waits: false,
            backend: Some(900 + slot),
            opened_nanos: 1,
            taken_nanos: Some(millis(since).0),
            holder: Some(HolderState {
                file: "/srv/orders.py".into(),
                line: 31,
                function: "buy".into(),
                ..HolderState::default()
            }),
        }
    }

    fn told(held: &mut Held, connections: &[ConnectionState], at: u64) -> Vec<Vec<u64>> {
        let mut facts = Vec::new();
        let mut sampler = Sampler::new(41, None);
        let process = process_key(41);
        held.look(process, connections, &mut sampler, millis(at), &mut facts);
        let backends = |fact: Fact| match fact {
            Fact::ConnectionsHeld { connections, .. } => {
                let backends = connections.iter().filter_map(|one| one.backend);
                backends.map(u64::from).collect()
            }
            other => panic!("{other:?}"),
        };
        facts.into_iter().map(backends).collect()
    }

    #[test]
    fn connections_are_told_of_that_were_taken_a_second_ago_and_only_when_that_changes() {
        let mut held = Held::default();
        let both = [taken(0, 5_500), taken(1, 4_000)];
        assert_eq!(told(&mut held, &both, 6_000), [[901]]);
        assert_eq!(told(&mut held, &both, 6_900), [[0; 0]; 0], "not due");
        assert_eq!(
            told(&mut held, &both, 7_000),
            [[901, 900]],
            "the longest first"
        );
        assert_eq!(told(&mut held, &both, 8_000), [[0; 0]; 0], "nothing new");
        assert_eq!(told(&mut held, &both[..1], 8_100), [[900]], "given back");
        let given_back = ConnectionState {
            taken_nanos: None,
            holder: None,
            ..taken(0, 0)
        };
        assert_eq!(told(&mut held, &[given_back], 9_000), [[0; 0]]);
    }

    #[test]
    fn many_who_wait_keep_nobody_who_has_a_connection_from_being_told_of() {
        let waits = |slot| ConnectionState {
            waits: true,
            ..taken(slot, 1_000)
        };
        let mut all: Vec<_> = (0..MOST as u32 + 9).map(waits).collect();
        all.push(taken(99, 2_000));
        let told = told(&mut Held::default(), &all, 4_000).remove(0);
        assert_eq!((told.len(), told[0]), (MOST + 1, 999));
    }
}
