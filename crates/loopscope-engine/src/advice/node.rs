//! Node.js: calls that have an asynchronous twin.

use super::{Entry, Language, PYTHON};

const NODE: Entry = Entry {
    language: Language::Node,
    ..PYTHON
};

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        name: "Atomics.wait",
        calls: &["Atomics.wait"],
        replacement: Some("await Atomics.waitAsync(...).value"),
        steps: &[
            "fix: `await Atomics.waitAsync(...).value`, or `await setTimeout(ms)` of `timers/promises`",
        ],
        ..NODE
    },
    Entry {
        name: "fs.readFileSync",
        calls: &[
            ".readFileSync",
            ".writeFileSync",
            ".appendFileSync",
            ".readdirSync",
            ".statSync",
            ".copyFileSync",
            "readFileSync",
            "writeFileSync",
        ],
        frames: &[(
            "node:fs",
            &[
                "readFileSync",
                "writeFileSync",
                "readdirSync",
                "statSync",
                "readSync",
            ],
        )],
        replacement: Some("await fs.promises.readFile(...)"),
        steps: &[
            "fix: the same name in `fs/promises`, awaited; synchronous reads at start-up only",
        ],
        ..NODE
    },
    Entry {
        name: "execSync",
        calls: &[
            "execSync",
            "execFileSync",
            "spawnSync",
            ".execSync",
            ".execFileSync",
            ".spawnSync",
        ],
        frames: &[(
            "node:child_process",
            &["execSync", "execFileSync", "spawnSync"],
        )],
        replacement: Some("await util.promisify(child_process.exec)(...)"),
        steps: &["fix: `exec`, `execFile` or `spawn`, which do not wait for the child"],
        ..NODE
    },
    Entry {
        name: "crypto.pbkdf2Sync",
        calls: &[".pbkdf2Sync", ".scryptSync", ".generateKeyPairSync"],
        frames: &[
            ("node:internal/crypto/pbkdf2", &[]),
            ("node:internal/crypto/scrypt", &[]),
        ],
        replacement: Some("await util.promisify(crypto.pbkdf2)(...)"),
        steps: &["fix: the form of the call that takes a callback; it works in libuv's threads"],
        ..NODE
    },
    Entry {
        name: "zlib.gzipSync",
        calls: &[
            ".gzipSync",
            ".gunzipSync",
            ".deflateSync",
            ".inflateSync",
            ".brotliCompressSync",
        ],
        frames: &[("node:zlib", &["gzipSync", "zlibBufferSync"])],
        replacement: Some("await util.promisify(zlib.gzip)(...)"),
        steps: &["fix: the form of the call that takes a callback, or a stream"],
        ..NODE
    },
    Entry {
        name: "JSON.parse",
        calls: &["JSON.parse", "JSON.stringify"],
        steps: &[
            "stop the bleeding: limit the size of bodies that are taken in",
            "fix: parse in pieces with a streaming parser, or in a `worker_threads` pool",
        ],
        ..NODE
    },
];
