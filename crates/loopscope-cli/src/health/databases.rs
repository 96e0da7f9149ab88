//! A database server on a few lines: how many of its connections are taken, and by whom.

use super::view::{DatabaseClient, DatabaseServer};
use crate::screen::Layout;
use crate::screen::format;

/// Clients that are shown. The rest is counted.
const MAX_CLIENTS: usize = 5;

/// An answer that is older is said to be: looks are two seconds apart.
const OLD_SECONDS: f64 = 10.0;

/// The lines of a server.
pub(crate) fn lines(server: &DatabaseServer, layout: &Layout) -> String {
    let for_all = server
        .max_connections
        .saturating_sub(server.reserved_connections);
    let mut head = format!(
        "{}  {} of {for_all} connections taken",
        server.server.as_str(),
        server.connections
    );
    if let Some(age) = server.age_seconds.filter(|age| *age > OLD_SECONDS) {
        head.push_str(&format!(", {} ago", format::seconds(age)));
    }
    let mut lines = layout.item("  ", &head);
    for client in server.clients.iter().take(MAX_CLIENTS) {
        lines.push_str(&layout.item("    ", &line(client)));
    }
    let more = server.clients.len().saturating_sub(MAX_CLIENTS);
    if more > 0 {
        let more = format::count(more as u64, "more client", "more clients");
        lines.push_str(&layout.dim(&format!("    … and {more}\n")));
    }
    if let Some(limited) = &server.limited {
        lines.push_str(&layout.item("    ", limited.as_str()));
    }
    lines
}

fn line(client: &DatabaseClient) -> String {
    let name = match client.application.as_str() {
        "" => "a client",
        name => name,
    };
    let whose = match client.pid {
        Some(pid) => format!("pid {pid}, {name}"),
        None => name.to_owned(),
    };
    let mut parts = vec![format!(
        "{}  {whose} as {}",
        client.connections,
        client.user.as_str()
    )];
    let counts = [
        (client.waiting, "waiting for a lock"),
        (client.idle_in_transaction, "idle in a transaction"),
    ];
    let counts = counts.into_iter().filter(|(count, _)| *count > 0);
    parts.extend(counts.map(|(count, what)| format!("{count} {what}")));
    parts.join(" · ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_told_with_those_who_have_its_connections() {
        let text = r#"{"server": "127.0.0.1:5432/bots", "connections": 12, "max_connections": 100,
            "reserved_connections": 3, "age_seconds": 1.0, "clients": [
            {"pid": 41, "application": "web", "user": "bots", "connections": 10, "waiting": 2, "idle_in_transaction": 1},
            {"application": "", "user": "ann", "connections": 2}]}"#;
        let server = serde_json::from_str(text).unwrap();
        let layout = Layout::default();
        insta::assert_snapshot!(lines(&server, &layout), @r"
        127.0.0.1:5432/bots  12 of 97 connections taken
          10  pid 41, web as bots · 2 waiting for a lock · 1 idle in a transaction
          2  a client as ann
        ");
    }
}
