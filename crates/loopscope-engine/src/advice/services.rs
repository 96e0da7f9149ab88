//! Mail, messages, remote machines and containers.

use super::{Entry, PYTHON};

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        name: "smtplib",
        calls: &[
            "smtplib.SMTP",
            "smtplib.SMTP_SSL",
            ".sendmail",
            ".send_message",
        ],
        frames: &[("smtplib.py", &[])],
        replacement: Some("await aiosmtplib.send(...)"),
        steps: &[
            "stop the bleeding: run the call in a thread, `await asyncio.to_thread({call}, ...)`",
            "fix: `await aiosmtplib.send(message, hostname=...)`, or leave mail to a queue",
        ],
        ..PYTHON
    },
    Entry {
        name: "ftplib, imaplib or poplib",
        frames: &[
            ("ftplib.py", &[]),
            ("imaplib.py", &[]),
            ("poplib.py", &[]),
            ("telnetlib.py", &[]),
        ],
        replacement: Some("await asyncio.to_thread({call}, ...)"),
        steps: &[
            "fix: run the whole conversation in a thread, `await asyncio.to_thread(function)`",
        ],
        ..PYTHON
    },
    Entry {
        name: "paramiko",
        calls: &["paramiko.SSHClient", ".exec_command"],
        frames: &[("paramiko/", &[]), ("fabric/", &[])],
        replacement: Some("await conn.run(...)  # conn of asyncssh.connect(...)"),
        steps: &["fix: `async with asyncssh.connect(host) as conn` and `await conn.run(...)`"],
        ..PYTHON
    },
    Entry {
        name: "kafka",
        calls: &["kafka.KafkaProducer", "kafka.KafkaConsumer"],
        frames: &[("kafka/", &[])],
        replacement: Some("await producer.send_and_wait(...)  # of aiokafka"),
        steps: &["fix: `aiokafka.AIOKafkaProducer` and `AIOKafkaConsumer`"],
        ..PYTHON
    },
    Entry {
        name: "pika",
        calls: &[
            "pika.BlockingConnection",
            ".start_consuming",
            ".basic_publish",
        ],
        frames: &[("pika/", &[])],
        replacement: Some("await channel.default_exchange.publish(...)  # of aio_pika"),
        steps: &["fix: `aio_pika.connect_robust(...)`, whose channels are awaited"],
        ..PYTHON
    },
    Entry {
        name: "celery result",
        calls: &[".apply"],
        frames: &[("celery/", &[]), ("kombu/", &[])],
        replacement: Some("await asyncio.to_thread({call})"),
        steps: &[
            "stop the bleeding: `await asyncio.to_thread({call})`",
            "fix: do not wait for a result in a request; answer with the task's id and let the client ask",
        ],
        ..PYTHON
    },
    Entry {
        name: "kubernetes client",
        frames: &[("kubernetes/client/", &[]), ("kubernetes/watch/", &[])],
        replacement: Some("await v1.list_namespaced_pod(...)  # of kubernetes_asyncio"),
        steps: &["fix: `kubernetes_asyncio` has the same calls, to be awaited"],
        ..PYTHON
    },
    Entry {
        name: "docker client",
        calls: &["docker.from_env"],
        frames: &[("docker/", &[])],
        replacement: Some("await container.show()  # of aiodocker"),
        steps: &[
            "stop the bleeding: run the call in a thread, `await asyncio.to_thread({call}, ...)`",
            "fix: `aiodocker.Docker()`, whose calls are awaited",
        ],
        ..PYTHON
    },
];
