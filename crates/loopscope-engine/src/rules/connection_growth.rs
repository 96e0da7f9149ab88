//! Connections that are opened outside of any pool and become ever more.
//!
//! A pool grows to its size and no further; a connection a request comes and goes. What is left is opened and
//! kept, until the server refuses everybody.

use super::{Case, Finding, words};
use crate::{
    diagnosis::Diagnosis,
    observation::Owner,
    report::{IncidentKind, Severity},
    summary::duration,
    work::Pool,
};

const STEPS: &[&str] = &[
    "stop the bleeding: restart the process before the server's `max_connections` is reached; it then refuses \
     everybody, its own administrators nearly so",
    "fix: one pool for the process, made at its start, `psycopg_pool.AsyncConnectionPool(..., max_size=10)`, \
     `asyncpg.create_pool(...)`, `create_async_engine(..., pool_size=10)`, and each use within \
     `async with pool.connection() as conn:`",
    "share that pool: an engine or a storage object for each tenant, user or request is a pool for each",
];

const VERIFY: &str = "`loopscope health --json`: `connections_open` stays where it is";

pub(super) fn check(case: &Case<'_>, slot: u32, pool: &Pool) -> Option<Finding> {
    let reading = &pool.reading;
    // A pool has a size; connections that are opened one by one have none.
    if reading.largest > 0 {
        return None;
    }
    let rule = &case.config.connection_growth;
    let rule = case.trend_rule(IncidentKind::ConnectionGrowth, slot, rule);
    let growth = pool.open.growth(&rule)?;
    let name = words::pool_name(&reading.pool);
    let note = format!(
        "{} opens ever more {name} outside of any pool: {} by now, {:.0} more a minute over the last {}",
        case.who(),
        reading.open(),
        growth.per_minute,
        duration(growth.span)
    );
    Some(Finding {
        severity: Severity::Degraded,
        since: growth.since,
        owner: Owner::Nobody,
        diagnosis: Diagnosis {
            note: Some(note),
            chain: vec![reading.pool.driver.clone(), reading.pool.server.clone()],
            advice: words::advice(STEPS, VERIFY),
            ..Diagnosis::default()
        },
    })
}
