//! Recordings of other times: every version ever written stays readable, and a newer one says so.

use std::fs;
use std::mem::offset_of;
use std::path::{Path, PathBuf};

use loopscope_recorder::identity::ProcessIdentity;
use loopscope_recorder::layout::{FORMAT_VERSION, FactKind, Header, LoopOwner, PollKind};
use loopscope_recorder::reader::{ReadError, RecordingReader, StallEvent, TableStates};

use crate::everything::read_everything;
use crate::filled::fill;
use crate::{MILLIS, STALL_NANOS, create, loop_spec, scratch};

fn fixture(version: u32) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    folder.join(format!("v{version}.loopscope"))
}

/// A valid recording with other bytes at some place of its header.
fn changed(at: usize, bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = scratch();
    let (_, path) = create(&folder);
    let mut content = fs::read(&path).unwrap();
    content[at..at + bytes.len()].copy_from_slice(bytes);
    fs::write(&path, content).unwrap();
    (folder, path)
}

#[test]
fn version_1_says_what_it_was_written_with() {
    let reader = RecordingReader::open(&fixture(1)).unwrap();
    let told = reader.description();
    let (pid, start_ticks) = (4242, 777);
    assert_eq!(told.process, ProcessIdentity { pid, start_ticks });
    assert_eq!((told.version, told.uid, told.image), (1, 1000, 2));
    assert_eq!((told.run_id, told.stall_threshold_nanos), (77, STALL_NANOS));
    assert_eq!(told.executable, "/usr/bin/python3.11");
    assert_eq!(
        (told.service.as_str(), told.agent_version.as_str()),
        ("bots", "0.1.0")
    );
    assert!(!told.this_boot && !told.is_live());
}

#[test]
fn version_1_gives_back_its_loops_and_stalls() {
    let found = read_everything(&fixture(1)).unwrap();
    assert_eq!(found.counters.exit_status, Some(3));
    let [busy, ended] = &found.loops[..] else {
        panic!("{:?}", found.loops);
    };
    assert_eq!((busy.kind, busy.poll_key), (Some(PollKind::Epoll), 5));
    assert_eq!((busy.iterations, busy.stalls), (2, 1));
    assert_eq!(
        (busy.busy_nanos, busy.longest_busy_nanos),
        (255 * MILLIS, 250 * MILLIS)
    );
    assert_eq!(busy.busy_since_nanos, Some(400 * MILLIS));
    assert_eq!((busy.histogram[13], busy.histogram[18]), (1, 1));
    assert!(busy.is_live && !ended.is_live);
    let stall = StallEvent {
        slot: 0,
        generation: 0,
        thread_id: 9,
        started_nanos: 100 * MILLIS,
        ended_nanos: 350 * MILLIS,
        iteration: 2,
    };
    assert_eq!((found.stalls, found.lost), (vec![stall], 0));
}

#[test]
fn a_newer_version_is_refused_with_the_way_out() {
    let (_folder, path) = changed(offset_of!(Header, version), &4u32.to_ne_bytes());
    let error = RecordingReader::open(&path).unwrap_err();
    assert!(matches!(error, ReadError::Newer { found: 4, .. }));
    let expected = format!(
        "the recording has format 4, this program reads up to 3: {}",
        path.display()
    );
    assert_eq!(error.to_string(), expected);
    assert_eq!(
        error.hint(),
        "read it with the version of loopscope that wrote it"
    );
}

#[test]
fn a_version_that_never_was_is_damage() {
    let (_folder, path) = changed(offset_of!(Header, version), &0u32.to_ne_bytes());
    let error = RecordingReader::open(&path).unwrap_err();
    assert!(matches!(error, ReadError::Damaged { .. }), "{error}");
}

#[test]
fn a_process_with_the_same_pid_but_another_start_is_not_the_one_recorded() {
    let own = ProcessIdentity::own().unwrap();
    let other = own.start_ticks + 1;
    let (_folder, path) = changed(offset_of!(Header, start_ticks), &other.to_ne_bytes());
    let reader = RecordingReader::open(&path).unwrap();
    assert_eq!(reader.description().process.pid, own.pid);
    assert!(!reader.description().is_live());
}

#[test]
fn a_recording_from_before_a_reboot_is_not_live() {
    let (_folder, path) = changed(offset_of!(Header, boot_id), &[0x5a; 16]);
    let reader = RecordingReader::open(&path).unwrap();
    assert!(!reader.description().is_live());
}

#[test]
fn version_1_has_nothing_in_the_tables_that_it_does_not_know() {
    let found = read_everything(&fixture(1)).unwrap();
    assert_eq!(found.tables, TableStates::default());
    assert_eq!((found.facts, found.facts_lost), (Vec::new(), 0));
    let reader = RecordingReader::open(&fixture(1)).unwrap();
    assert_eq!(reader.description().slow_threshold_nanos, 0);
}

#[test]
fn version_2_gives_back_its_tables() {
    let reader = RecordingReader::open(&fixture(2)).unwrap();
    let told = reader.description();
    assert_eq!((told.version, told.process.pid), (2, 4242));
    assert_eq!(told.slow_threshold_nanos, 20 * STALL_NANOS);
    let found = read_everything(&fixture(2)).unwrap();
    assert_eq!((found.loops.len(), found.stalls.len()), (2, 1));
    let tables = found.tables;
    let adapter = tables.adapter.unwrap();
    assert_eq!(adapter.name, "asyncio 0.1.0 on CPython 3.12.1");
    let [polls, sends] = &tables.task_sites[..] else {
        panic!("{:?}", tables.task_sites);
    };
    assert_eq!((polls.site.line, sends.site.line), (41, 42));
    assert_eq!(sends.site.coroutine, "Bot.send");
    assert_eq!((sends.spawned, sends.alive(), sends.unretrieved), (5, 3, 1));
    let query = &tables.calls[1];
    assert_eq!(query.call.name, "SELECT * FROM bots WHERE id = ?");
    assert_eq!((query.blocking, query.failed, query.in_flight()), (1, 1, 1));
    assert_eq!(query.last_error.as_deref(), Some("TimeoutError"));
    let (pool, executor) = (&tables.pools[0], &tables.executors[0]);
    assert_eq!(
        (pool.waiting_since_nanos, pool.open()),
        (Some(4 * MILLIS), 1)
    );
    assert_eq!(executor.saturated_since_nanos, Some(3 * MILLIS));
    assert_eq!(tables.gc.pause_nanos, 4 * MILLIS);
}

#[test]
fn version_2_gives_back_its_facts() {
    let found = read_everything(&fixture(2)).unwrap();
    assert_eq!((found.facts.len(), found.facts_lost), (3, 0));
    let fact = &found.facts[2];
    assert_eq!((fact.kind, fact.identity), (FactKind::TaskFailed, 3));
    assert_eq!((fact.owner, fact.subject), (LoopOwner::Thread(9), Some(0)));
    assert_eq!(
        (fact.error_type.as_str(), fact.message.as_str()),
        ("ValueError", "bad token")
    );
    assert_eq!((fact.frames.len(), fact.frames[1].line), (2, 88));
}

#[test]
fn version_2_has_no_connections() {
    let tables = read_everything(&fixture(2)).unwrap().tables;
    assert_eq!(
        (tables.connections, tables.dropped.connections),
        (Vec::new(), 0)
    );
    assert_eq!(tables.pools[0].releases, 0);
}

#[test]
fn version_3_gives_back_its_connections() {
    let tables = read_everything(&fixture(3)).unwrap().tables;
    let [taken, idle] = &tables.connections[..] else {
        panic!("{:?}", tables.connections);
    };
    assert_eq!((taken.slot, taken.backend, taken.pool), (0, Some(77), 0));
    assert_eq!(taken.taken_nanos, Some(9 * MILLIS));
    let holder = taken.holder.as_ref().unwrap();
    assert_eq!(
        (holder.thread_id, holder.task, holder.line),
        (9, Some(0x7f00), 31)
    );
    assert_eq!(
        (holder.file.as_str(), holder.function.as_str()),
        ("/srv/app/orders.py", "buy")
    );
    assert_eq!(holder.task_name, "Task-7");
    assert_eq!((idle.backend, idle.taken_nanos), (None, None));
    let errors = tables.calls.iter().map(|call| &call.errors[..]);
    for errors in errors {
        let [error] = errors else {
            panic!("{errors:?}");
        };
        assert_eq!(
            (error.error_type.as_str(), error.failed),
            ("TimeoutError", 1)
        );
    }
    let pool = &tables.pools[0];
    assert_eq!((pool.releases, pool.longest_use_nanos), (1, 4 * MILLIS));
}

/// How the fixture of this version was made; run once, when a version is new.
#[test]
#[ignore = "writes tests/data anew"]
fn writes_the_fixture() {
    let folder = scratch();
    let (recording, path) = create(&folder);
    let stamps = recording.claim_loop(&loop_spec(5)).unwrap();
    let ended = recording.claim_loop(&loop_spec(6)).unwrap();
    stamps.leave_poll(10 * MILLIS, 20 * MILLIS);
    stamps.enter_poll(25 * MILLIS, true);
    stamps.leave_poll(25 * MILLIS, 100 * MILLIS);
    stamps.enter_poll(350 * MILLIS, true);
    stamps.leave_poll(350 * MILLIS, 400 * MILLIS);
    ended.end();
    fill(&recording);
    recording.close(Some(3));
    let mut content = fs::read(path).unwrap();
    let mut put = |at: usize, bytes: &[u8]| content[at..at + bytes.len()].copy_from_slice(bytes);
    put(offset_of!(Header, pid), &4242u32.to_ne_bytes());
    put(offset_of!(Header, start_ticks), &777u64.to_ne_bytes());
    put(offset_of!(Header, uid), &1000u32.to_ne_bytes());
    put(offset_of!(Header, image), &2u32.to_ne_bytes());
    put(offset_of!(Header, boot_id), &[0x5a; 16]);
    let executable = b"/usr/bin/python3.11";
    put(offset_of!(Header, executable), &[0; 256]);
    put(offset_of!(Header, executable), executable);
    put(
        offset_of!(Header, executable_length),
        &(executable.len() as u32).to_ne_bytes(),
    );
    fs::write(fixture(FORMAT_VERSION), content).unwrap();
}
