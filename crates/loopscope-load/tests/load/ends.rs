//! How a load ends: in time, stopped, with nobody left to ask; and what cannot be started.

use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use loopscope_load::{Address, Ended, FailureKind, Load, LoadError};
use tokio::io::AsyncWriteExt;

use crate::server::{OK, answering, read_request, serve};
use crate::{closed, open, send, send_one, stream};

#[test]
fn a_load_ends_in_time_and_tells_each_second() {
    let server = answering(OK);
    let load = Load {
        streams: vec![
            stream(&server.url(), closed(2)),
            stream(&server.url(), open(50.0)),
        ],
        duration: Duration::from_millis(2_200),
    };
    let running = load.start().unwrap();
    let mut ticks = Vec::new();
    while let Some(tick) = running.tick() {
        ticks.push(tick);
    }
    let outcome = running.finish().unwrap();
    assert_eq!(outcome.ended, Ended::Complete);
    assert!(ticks.len() >= 2 && ticks.iter().all(|tick| tick.streams.len() == 2));
    for (index, tally) in outcome.streams.iter().enumerate() {
        let told: u64 = ticks.iter().map(|tick| tick.streams[index].answered).sum();
        assert_eq!((tally.failed(), told), (0, tally.answered));
    }
    assert_eq!(outcome.streams[1].answered, 110);
    assert!(
        outcome.own_share > 0.0 && outcome.own_share <= 1.1,
        "{}",
        outcome.own_share
    );
}

#[test]
fn a_load_that_is_stopped_has_what_came_by_then() {
    let server = answering(OK);
    let load = Load {
        streams: vec![stream(&server.url(), closed(2))],
        duration: Duration::from_secs(600),
    };
    let running = load.start().unwrap();
    let stopper = running.stopper();
    running.tick().unwrap();
    let began = Instant::now();
    stopper.stop();
    let outcome = running.finish().unwrap();
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(outcome.ended, Ended::Stopped);
    assert!(outcome.streams[0].answered > 0);
}

#[test]
fn requests_without_an_answer_at_the_stop_are_left_over() {
    let server = serve(|mut stream| async move { while read_request(&mut stream).await {} });
    let load = Load {
        streams: vec![stream(&server.url(), closed(3))],
        duration: Duration::from_secs(600),
    };
    let running = load.start().unwrap();
    running.tick().unwrap();
    running.stopper().stop();
    let outcome = running.finish().unwrap();
    assert_eq!(
        (outcome.streams[0].waiting(), outcome.streams[0].failed()),
        (3, 0)
    );
}

#[test]
fn a_target_that_dies_half_way_ends_the_load_and_is_told() {
    // It answers for a moment, then lets go of its port and of every connection.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        listener.set_nonblocking(true).unwrap();
        let serving = async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    while read_request(&mut stream).await && stream.write_all(OK).await.is_ok() {}
                });
            }
        };
        runtime.block_on(async { tokio::time::timeout(Duration::from_millis(500), serving).await })
    });
    let outcome = send(vec![stream(&url, closed(3))], Duration::from_secs(600));
    assert_eq!(outcome.ended, Ended::TargetGone);
    let tally = &outcome.streams[0];
    assert!(tally.answered > 0, "{tally:?}");
    let refused = tally.failures[&FailureKind::Refused];
    // Each sender leaves it alone for a while in between.
    assert!((3..=3 * 120).contains(&refused), "{refused}");
}

#[test]
fn an_address_where_nobody_listens_is_refused_and_not_hammered() {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let tally = send_one(
        stream(&format!("http://{port}"), closed(1)),
        Duration::from_millis(500),
    );
    assert_eq!(tally.answered, 0);
    assert!(tally.failures[&FailureKind::Refused] <= 6, "{tally:?}");
}

#[test]
fn a_name_that_is_not_known_starts_nothing() {
    let (address, _) = Address::parse("http://loopscope.invalid").unwrap();
    assert!(matches!(address.resolve(), Err(LoadError::Name { .. })));
    let load = Load {
        streams: vec![stream("http://loopscope.invalid/", closed(1))],
        duration: Duration::from_secs(1),
    };
    assert!(
        load.start()
            .is_err_and(|error| error.hint().contains("getent hosts"))
    );
}
