//! What database servers say, in any order, and restarts.

use loopscope_engine::observation::{
    ClientReading, Fact, LockReading, ServerReading, SessionReading,
};
use proptest::{collection::vec, option, prelude::*};

use super::{process, time};

const SERVERS: [&str; 2] = ["127.0.0.1:5432/bots", ""];

fn server() -> impl Strategy<Value = String> {
    prop::sample::select(SERVERS.to_vec()).prop_map(str::to_owned)
}

fn session() -> impl Strategy<Value = SessionReading> {
    (0..4_i32, option::of(0..4_u32), any::<bool>(), time()).prop_map(
        |(backend, pid, is_idle, since)| SessionReading {
            backend,
            pid,
            application: "web".into(),
            user: "bots".into(),
            is_idle,
            since,
            statement: "SELECT ?".into(),
        },
    )
}

fn lock() -> impl Strategy<Value = LockReading> {
    (session(), time(), vec(session(), 0..4)).prop_map(|(holder, since, waiters)| LockReading {
        holder,
        since,
        waiters,
    })
}

fn client() -> impl Strategy<Value = ClientReading> {
    (option::of(0..4_u32), 0..1_u64 << 40).prop_map(|(pid, connections)| ClientReading {
        pid,
        connections,
        ..ClientReading::default()
    })
}

fn reading() -> impl Strategy<Value = ServerReading> {
    let figures = [(); 4].map(|()| prop_oneof![9 => 0..30_u64, 1 => 0..1_u64 << 50]);
    let lists = (vec(client(), 0..3), vec(lock(), 0..3), vec(session(), 0..3));
    (server(), figures, lists).prop_map(|(server, figures, (clients, locks, idle_transactions))| {
        let [
            max_connections,
            reserved_connections,
            connections,
            deadlocks,
        ] = figures;
        ServerReading {
            server,
            max_connections,
            reserved_connections,
            connections,
            deadlocks,
            clients,
            locks,
            idle_transactions,
            ..ServerReading::default()
        }
    })
}

/// Any fact about a server, and about a process that is started again.
pub(crate) fn fact() -> impl Strategy<Value = Fact> {
    let unreachable =
        (server(), any::<bool>(), any::<bool>()).prop_map(|(server, is_full, was_reached)| {
            Fact::ServerUnreachable {
                server,
                reason: "refused".into(),
                is_full,
                was_reached,
            }
        });
    prop_oneof![
        4 => reading().prop_map(|reading| Fact::ServerReading { reading: Box::new(reading) }),
        1 => unreachable,
        1 => (0..4_u32, time()).prop_map(|(pid, blocked)| Fact::Restarting { pid, blocked }),
        1 => process().prop_map(|process| Fact::MainStarted { process }),
    ]
}
