//! Asks the supervisor, which judges this process, for an answer to hand on; and says what there is to say where nobody
//! judges.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use loopscope_engine::report::Status;
use loopscope_engine::watch::nothing_seen;
use loopscope_server::{Answer, ProbeState, Probes, PublishedReport, Question, SnapshotCell};

/// How long the supervisor may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// The supervisor's answer.
pub(super) fn ask(
    address: SocketAddr,
    token: Option<&str>,
    question: Question,
    accept: &str,
) -> io::Result<Answer> {
    let path = match question {
        Question::Health => "health",
        Question::Live => "livez",
        Question::Ready => "readyz",
    };
    let authorization = token.map_or_else(String::new, |token| {
        format!("authorization: Bearer {token}\r\n")
    });
    // In the old form there are no chunks.
    let request = format!(
        "GET /{path} HTTP/1.0\r\nhost: {address}\r\naccept: {accept}\r\n{authorization}\r\n"
    );
    let mut connection = TcpStream::connect_timeout(&address, PATIENCE)?;
    connection.set_read_timeout(Some(PATIENCE))?;
    connection.set_write_timeout(Some(PATIENCE))?;
    connection.write_all(request.as_bytes())?;
    let mut received = Vec::new();
    connection.read_to_end(&mut received)?;
    understood(&received).ok_or_else(|| io::Error::other("it gives no health report"))
}

fn understood(received: &[u8]) -> Option<Answer> {
    let end = received.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(received.get(..end)?).ok()?;
    let body = received.get(end + 4..)?;
    let mut lines = head.split("\r\n");
    let code: u16 = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let fields: Vec<(String, &str)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim()))
        .collect();
    let field = |name: &str| {
        fields
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| *value)
    };
    let is_whole = field("content-length")?.parse() == Ok(body.len());
    let content_type = match field("content-type")? {
        "application/json" => "application/json",
        "application/health+json" => "application/health+json",
        _ => "text/plain; charset=utf-8",
    };
    let age: f64 = field("loopscope-age-seconds")
        .and_then(|age| age.parse().ok())
        .unwrap_or(0.0);
    (is_whole && (code == 200 || code == 503)).then(|| Answer {
        code,
        content_type,
        age: Duration::try_from_secs_f64(age).unwrap_or_default(),
        body: body.to_vec().into(),
    })
}

/// What there is to say where nobody judges, and why nobody does. The probes pass.
pub(super) fn without_judge(question: Question, accept: &str, reason: &str) -> Answer {
    let (mut report, _) = nothing_seen(String::new(), env!("CARGO_PKG_VERSION"));
    report.status = Status::Degraded;
    report.issues.push(reason.to_owned());
    report.detailed_health.agent.notes.push(reason.to_owned());
    let passes = || ProbeState {
        ok: true,
        reason: None,
    };
    let probes = Probes {
        live: passes(),
        ready: passes(),
    };
    SnapshotCell::new(PublishedReport::new(report, probes)).answer(question, accept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_answer_is_handed_on_and_any_other_is_none() {
        let answer = |length: usize| {
            let text = format!(
                "HTTP/1.0 503 Service Unavailable\r\nContent-Type: application/json\r\ncontent-length: {length}\r\n\
                 loopscope-age-seconds: 0.250\r\n\r\n{{}}"
            );
            understood(text.as_bytes())
        };
        let whole = answer(2).unwrap();
        assert_eq!(
            (whole.code, whole.content_type, &*whole.body),
            (503, "application/json", &b"{}"[..])
        );
        assert_eq!(whole.age, Duration::from_millis(250));
        assert!(answer(3).is_none(), "cut short");
        assert!(understood(b"HTTP/1.0 401 Unauthorized\r\ncontent-length: 0\r\n\r\n").is_none());
        assert!(understood(b"nonsense").is_none());
    }

    #[test]
    fn where_nobody_judges_the_report_says_so_and_the_probes_pass() {
        let answer = without_judge(Question::Health, "", "nobody judges");
        let body = String::from_utf8(answer.body.to_vec()).unwrap();
        assert!(
            answer.code == 200 && body.contains("\"degraded\"") && body.contains("nobody judges"),
            "{body}"
        );
        assert_eq!(
            without_judge(Question::Ready, "", "nobody judges").code,
            200
        );
    }
}
