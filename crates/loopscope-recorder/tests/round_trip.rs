//! What is written is what is read.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::path::PathBuf;

use loopscope_recorder::folder::{RuntimeFolder, recordings_in};
use loopscope_recorder::identity::ProcessIdentity;
use loopscope_recorder::layout::{EVENT_CAPACITY, LOOP_CAPACITY, PollKind, RuntimeTasks};
use loopscope_recorder::reader::RecordingReader;
use loopscope_recorder::writer::{LoopSpec, Recording, RecordingSpec, ToldLoop};

const MILLIS: u64 = 1_000_000;

fn folder(name: &str) -> RuntimeFolder {
    let path = std::env::temp_dir().join(format!("ls-trip-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    RuntimeFolder::open(&path).unwrap()
}

fn create(folder: &RuntimeFolder) -> (Recording, PathBuf) {
    let spec = RecordingSpec {
        run_id: 77,
        service: "bots".into(),
        stall_threshold_nanos: 100 * MILLIS,
        slow_threshold_nanos: 2000 * MILLIS,
    };
    let recording = Recording::create(folder, &spec).unwrap();
    (
        recording,
        recordings_in(folder.path()).into_iter().max().unwrap(),
    )
}

fn spec(poll_key: u64) -> LoopSpec {
    LoopSpec {
        kind: PollKind::Epoll,
        poll_key,
        thread_id: 9,
        thread_name: "wörker".into(),
    }
}

#[test]
fn the_description_comes_back_as_it_was_given() {
    let (_, path) = create(&folder("description"));
    let reader = RecordingReader::open(&path).unwrap();
    let description = reader.description();
    assert_eq!(description.process, ProcessIdentity::own().unwrap());
    assert_eq!(
        (description.run_id, description.service.as_str()),
        (77, "bots")
    );
    assert_eq!(
        description.executable,
        std::env::current_exe().unwrap().to_string_lossy()
    );
    assert!(description.is_live());
}

#[test]
fn a_second_recording_of_one_process_counts_as_its_next_image() {
    let folder = folder("image");
    create(&folder);
    let (_, path) = create(&folder);
    assert_eq!(RecordingReader::open(&path).unwrap().description().image, 1);
}

#[test]
fn what_a_loop_tells_of_itself_is_what_is_read() {
    let (recording, path) = create(&folder("told"));
    let mut reader = RecordingReader::open(&path).unwrap();
    for kind in [PollKind::TokioWorker, PollKind::TokioCurrentThread] {
        let told = recording.claim_loop(&LoopSpec { kind, ..spec(0) }).unwrap();
        let busy = ToldLoop {
            now_nanos: 300 * MILLIS,
            busy_since_nanos: Some(100 * MILLIS),
            iterations: 7,
            busy_nanos: 40 * MILLIS,
            idle_nanos: 60 * MILLIS,
            last_beat_nanos: 100 * MILLIS,
            runtime: Some(RuntimeTasks {
                alive: 0,
                queued: 0,
            }),
        };
        told.tell(&busy);
        told.move_to(11);
        let state = reader.read_loops().unwrap().1.pop().unwrap();
        assert_eq!((state.kind, state.thread_id), (Some(kind), 11));
        assert_eq!(state.busy_since_nanos, busy.busy_since_nanos);
        assert_eq!((state.iterations, state.idle_nanos), (7, 60 * MILLIS));
        assert_eq!(
            state.runtime, busy.runtime,
            "none is not the same as unknown"
        );
        told.tell(&ToldLoop {
            now_nanos: 350 * MILLIS,
            busy_since_nanos: None,
            iterations: 8,
            ..busy
        });
        let state = reader.read_loops().unwrap().1.pop().unwrap();
        assert_eq!((state.busy_since_nanos, state.iterations), (None, 8));
        let stall = reader.read_stalls().unwrap().events.pop().unwrap();
        assert_eq!(
            (stall.started_nanos, stall.ended_nanos),
            (100 * MILLIS, 350 * MILLIS)
        );
    }
}

#[test]
fn turns_add_up() {
    let (recording, path) = create(&folder("turns"));
    let stamps = recording.claim_loop(&spec(5)).unwrap();
    stamps.leave_poll(10 * MILLIS, 20 * MILLIS);
    stamps.enter_poll(25 * MILLIS, false);
    stamps.enter_poll(27 * MILLIS, true);
    let (_, loops) = RecordingReader::open(&path).unwrap().read_loops().unwrap();
    let state = &loops[0];
    assert_eq!(
        (state.iterations, state.busy_nanos, state.idle_nanos),
        (2, 7 * MILLIS, 10 * MILLIS)
    );
    assert_eq!(
        (state.busy_since_nanos, state.last_beat_nanos),
        (None, 27 * MILLIS)
    );
    assert_eq!(
        (
            state.longest_busy_nanos,
            state.histogram.iter().sum::<u64>()
        ),
        (5 * MILLIS, 2)
    );
    assert_eq!(
        (state.thread_name.as_str(), state.poll_key, state.is_live),
        ("wörker", 5, true)
    );
}

#[test]
fn a_poll_that_cannot_wait_leaves_the_loop_busy() {
    let (recording, path) = create(&folder("nowait"));
    let stamps = recording.claim_loop(&spec(5)).unwrap();
    stamps.leave_poll(1, 20);
    stamps.enter_poll(30, false);
    let (_, loops) = RecordingReader::open(&path).unwrap().read_loops().unwrap();
    assert_eq!(loops[0].busy_since_nanos, Some(30));
}

#[test]
fn a_stall_is_in_the_ring_with_its_exact_times_and_read_once() {
    let (recording, path) = create(&folder("stall"));
    let stamps = recording.claim_loop(&spec(5)).unwrap();
    stamps.leave_poll(1, 20 * MILLIS);
    stamps.enter_poll(119 * MILLIS, true);
    stamps.leave_poll(119 * MILLIS, 200 * MILLIS);
    stamps.enter_poll(300 * MILLIS, true);
    let mut reader = RecordingReader::open(&path).unwrap();
    let stalls = reader.read_stalls().unwrap();
    let times: Vec<_> = stalls
        .events
        .iter()
        .map(|e| (e.started_nanos, e.ended_nanos))
        .collect();
    assert_eq!(
        (times, stalls.lost),
        (vec![(200 * MILLIS, 300 * MILLIS)], 0)
    );
    assert!(reader.read_stalls().unwrap().events.is_empty());
}

#[test]
fn a_reader_that_comes_late_counts_what_was_overwritten() {
    let (recording, path) = create(&folder("late"));
    let stamps = recording.claim_loop(&spec(5)).unwrap();
    let total = u64::from(EVENT_CAPACITY) + 40;
    for turn in 1..=total {
        stamps.leave_poll(0, turn * 1000 * MILLIS);
        stamps.enter_poll(turn * 1000 * MILLIS + 150 * MILLIS, true);
    }
    let stalls = RecordingReader::open(&path).unwrap().read_stalls().unwrap();
    assert_eq!(
        (stalls.events.len() as u64, stalls.lost),
        (u64::from(EVENT_CAPACITY), 40)
    );
    assert_eq!(stalls.events[0].iteration, 41);
}

#[test]
fn a_slot_of_an_ended_loop_is_taken_again_as_the_next_generation() {
    let (recording, path) = create(&folder("again"));
    let first = recording.claim_loop(&spec(5)).unwrap();
    first.leave_poll(1, 2);
    first.end();
    let second = recording.claim_loop(&spec(6)).unwrap();
    first.end();
    let (_, loops) = RecordingReader::open(&path).unwrap().read_loops().unwrap();
    assert_eq!(
        (loops.len(), loops[0].generation, loops[0].poll_key),
        (1, 1, 6)
    );
    assert!(
        loops[0].is_live,
        "ending the old loop a second time must not end the new one"
    );
    second.end();
}

#[test]
fn loops_beyond_the_table_are_counted_not_recorded() {
    let (recording, path) = create(&folder("full"));
    for key in 0..u64::from(LOOP_CAPACITY) + 3 {
        assert_eq!(
            recording.claim_loop(&spec(key)).is_some(),
            key < u64::from(LOOP_CAPACITY)
        );
    }
    let (counters, loops) = RecordingReader::open(&path).unwrap().read_loops().unwrap();
    assert_eq!(
        (loops.len(), counters.loops_dropped),
        (LOOP_CAPACITY as usize, 3)
    );
}

#[test]
fn an_orderly_end_is_told_with_its_status() {
    let (recording, path) = create(&folder("end"));
    let read = || {
        RecordingReader::open(&path)
            .unwrap()
            .read_loops()
            .unwrap()
            .0
    };
    assert_eq!((read().ended_nanos, read().exit_status), (None, None));
    recording.close(Some(3));
    assert!(read().ended_nanos.is_some());
    assert_eq!(read().exit_status, Some(3));
}

#[test]
fn writers_in_many_threads_lose_nothing_unsaid() {
    let (recording, path) = create(&folder("threads"));
    let mut reader = RecordingReader::open(&path).unwrap();
    const TURNS: u64 = 20_000;
    let (mut seen, mut lost) = (0, 0);
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..4u64)
            .map(|key| {
                scope.spawn(move || {
                    let own = LoopSpec {
                        thread_id: key as u32,
                        ..spec(key)
                    };
                    let stamps = recording.claim_loop(&own).unwrap();
                    for turn in 1..=TURNS {
                        stamps.leave_poll(0, turn * 1000 * MILLIS);
                        stamps.enter_poll(turn * 1000 * MILLIS + (100 + key) * MILLIS, true);
                    }
                })
            })
            .collect();
        loop {
            let finished = writers.iter().all(|writer| writer.is_finished());
            let stalls = reader.read_stalls().unwrap();
            for event in &stalls.events {
                let length = event.ended_nanos - event.started_nanos;
                assert_eq!(
                    length,
                    (100 + u64::from(event.thread_id)) * MILLIS,
                    "a torn record"
                );
            }
            seen += stalls.events.len() as u64;
            lost += stalls.lost;
            if finished {
                break;
            }
        }
    });
    let rest = reader.read_stalls().unwrap();
    let (counters, _) = reader.read_loops().unwrap();
    let total = seen + lost + rest.events.len() as u64 + rest.lost;
    assert_eq!(
        total,
        4 * TURNS,
        "dropped by the writers: {}",
        counters.events_dropped
    );
}
