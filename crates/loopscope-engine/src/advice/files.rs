//! Child processes, files and output.

use super::{Entry, PYTHON};
use crate::syscalls::Wait;

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        name: "subprocess.run",
        calls: &[
            "subprocess.run",
            "subprocess.call",
            "subprocess.check_call",
            "subprocess.check_output",
            "subprocess.getoutput",
            "subprocess.getstatusoutput",
        ],
        frames: &[(
            "subprocess.py",
            &[
                "run",
                "call",
                "check_call",
                "check_output",
                "getoutput",
                "getstatusoutput",
            ],
        )],
        replacement: Some("await asyncio.create_subprocess_exec(...)"),
        steps: &[
            "stop the bleeding: run the call in a thread, `await asyncio.to_thread({call}, ...)`, with a \
             `timeout`",
            "fix: `process = await asyncio.create_subprocess_exec(...)`, then `await process.communicate()`",
        ],
        rule: Some("ASYNC221"),
        ..PYTHON
    },
    Entry {
        name: "process.wait",
        calls: &[".communicate"],
        frames: &[("subprocess.py", &["wait", "communicate", "__exit__"])],
        replacement: Some(
            "await process.wait()  # process = await asyncio.create_subprocess_exec(...)",
        ),
        steps: &[
            "stop the bleeding: `await asyncio.to_thread({call})`",
            "fix: start the child with `await asyncio.create_subprocess_exec(...)` and await its end",
        ],
        rule: Some("ASYNC220"),
        ..PYTHON
    },
    Entry {
        name: "subprocess.Popen",
        calls: &["subprocess.Popen", "os.popen"],
        frames: &[("subprocess.py", &["__init__", "_execute_child"])],
        replacement: Some("await asyncio.create_subprocess_exec(...)"),
        steps: &[
            "fix: `await asyncio.create_subprocess_exec(...)`",
            "a large process forks slowly: `close_fds=False` and no `preexec_fn` let Python use vfork",
        ],
        rule: Some("ASYNC220"),
        ..PYTHON
    },
    Entry {
        name: "os.system",
        calls: &[
            "os.system",
            "os.posix_spawn",
            "os.posix_spawnp",
            "os.spawnl",
            "os.spawnv",
        ],
        frames: &[("os.py", &["_spawnvef", "spawnv", "spawnl"])],
        replacement: Some("await asyncio.create_subprocess_shell(...)"),
        steps: &[
            "fix: `process = await asyncio.create_subprocess_shell(...)`, then `await process.wait()`",
        ],
        rule: Some("ASYNC221"),
        ..PYTHON
    },
    Entry {
        name: "os.waitpid",
        calls: &["os.wait", "os.wait3", "os.wait4", "os.waitid", "os.waitpid"],
        replacement: Some("await asyncio.to_thread({call}, ...)"),
        steps: &[
            "stop the bleeding: run the call in a thread, `await asyncio.to_thread({call}, ...)`",
            "fix: start the child with `await asyncio.create_subprocess_exec(...)` and await its end",
        ],
        rule: Some("ASYNC222"),
        ..PYTHON
    },
    Entry {
        name: "pathlib",
        calls: &[
            ".read_text",
            ".read_bytes",
            ".write_text",
            ".write_bytes",
            ".iterdir",
            ".rglob",
        ],
        frames: &[
            ("pathlib.py", &[]),
            ("pathlib/_local.py", &[]),
            ("pathlib/__init__.py", &[]),
        ],
        replacement: Some("await asyncio.to_thread({call}, ...)"),
        steps: &[
            "fix: run the call in a thread, `await asyncio.to_thread({call}, ...)`, or use `anyio.Path`",
            "where the content seldom changes, read it once at start-up",
        ],
        rule: Some("ASYNC240"),
        ..PYTHON
    },
    Entry {
        name: "os.path",
        calls: &[
            "os.path.exists",
            "os.path.isfile",
            "os.path.isdir",
            "os.path.getsize",
            "os.path.getmtime",
        ],
        frames: &[
            ("genericpath.py", &[]),
            ("posixpath.py", &[]),
            ("<frozen genericpath>", &[]),
            ("<frozen posixpath>", &[]),
        ],
        replacement: Some("await asyncio.to_thread({call}, ...)"),
        steps: &[
            "fix: run the call in a thread, `await asyncio.to_thread({call}, ...)`, or use `anyio.Path`",
            "a check that takes this long means a remote or overloaded file system: look at the mount",
        ],
        rule: Some("ASYNC240"),
        ..PYTHON
    },
    Entry {
        name: "a directory walk",
        calls: &[
            "os.listdir",
            "os.scandir",
            "os.walk",
            "os.stat",
            "os.remove",
            "os.rename",
            "glob.glob",
        ],
        frames: &[
            ("glob.py", &[]),
            ("os.py", &["walk", "makedirs"]),
            ("<frozen os>", &["walk", "makedirs"]),
        ],
        replacement: Some("await asyncio.to_thread({call}, ...)"),
        steps: &[
            "fix: run the whole walk in a thread, `await asyncio.to_thread(function)`, not call by call",
        ],
        ..PYTHON
    },
    Entry {
        name: "shutil",
        calls: &[
            "shutil.copy",
            "shutil.copyfile",
            "shutil.copytree",
            "shutil.move",
            "shutil.rmtree",
        ],
        frames: &[("shutil.py", &[])],
        replacement: Some("await asyncio.to_thread({call}, ...)"),
        steps: &["fix: run the call in a thread, `await asyncio.to_thread({call}, ...)`"],
        ..PYTHON
    },
    Entry {
        name: "an archive",
        calls: &[".extractall", "zipfile.ZipFile", "tarfile.open"],
        frames: &[
            ("zipfile.py", &[]),
            ("zipfile/__init__.py", &[]),
            ("tarfile.py", &[]),
        ],
        replacement: Some("await asyncio.to_thread({call}, ...)"),
        steps: &["fix: pack and unpack in a thread, `await asyncio.to_thread(function)`"],
        ..PYTHON
    },
    Entry {
        name: "os.fsync",
        calls: &["os.fsync", "os.fdatasync", "os.sync"],
        replacement: Some("await asyncio.to_thread({call}, ...)"),
        steps: &[
            "fix: run the call in a thread, `await asyncio.to_thread({call}, ...)`",
            "gather several writes into one sync: each waits for the disk",
        ],
        ..PYTHON
    },
    Entry {
        name: "logging",
        calls: &[
            "logging.info",
            "logging.warning",
            "logging.error",
            "logging.debug",
            "logging.exception",
        ],
        frames: &[("logging/", &[]), ("loguru/", &[])],
        replacement: Some("logging.handlers.QueueHandler(queue)"),
        steps: &[
            "stop the bleeding: log less, or take the handler that writes to the slow place off",
            "fix: a `QueueHandler` on the logger and a `QueueListener` with the real handlers, so that a \
             thread of its own writes",
        ],
        ..PYTHON
    },
    Entry {
        name: "print",
        calls: &[
            "print",
            "sys.stdout.write",
            "sys.stdout.flush",
            "sys.stderr.write",
        ],
        waits: &[Wait::Network, Wait::File, Wait::Other],
        replacement: Some("logger.info(...)  # through logging.handlers.QueueHandler"),
        steps: &[
            "stop the bleeding: whoever reads this output does not keep up; see what the pipe leads to",
            "fix: log through a `QueueHandler`, so that a full pipe holds up a thread and not the loop",
        ],
        ..PYTHON
    },
    Entry {
        name: "open",
        calls: &["open", "io.open", "io.open_code", ".open"],
        waits: &[Wait::File, Wait::Network, Wait::Other],
        replacement: Some("await asyncio.to_thread({call}, ...)"),
        steps: &[
            "fix: open, read and close in one function in a thread, `await asyncio.to_thread(function)`",
            "a first-in-first-out file opens only once somebody opens its other end",
        ],
        rule: Some("ASYNC230"),
        ..PYTHON
    },
    Entry {
        name: "file.read",
        calls: &[
            ".read",
            ".readline",
            ".readlines",
            ".write",
            ".writelines",
            ".flush",
        ],
        waits: &[Wait::File, Wait::Network, Wait::Other],
        replacement: Some("await asyncio.to_thread({call}, ...)"),
        steps: &[
            "fix: open, read and close in one function in a thread, `await asyncio.to_thread(function)`",
            "what is large is better read in pieces, each in a thread, or with `aiofiles`",
        ],
        rule: Some("ASYNC230"),
        ..PYTHON
    },
    Entry {
        name: "import",
        calls: &["importlib.import_module", "__import__"],
        frames: &[
            ("<frozen importlib._bootstrap>", &[]),
            ("<frozen importlib._bootstrap_external>", &[]),
            ("importlib/__init__.py", &["import_module"]),
        ],
        replacement: Some("import at the top of the module"),
        steps: &[
            "fix: move the import to the top of the module, so that it happens before the loop runs",
            "what must stay lazy is loaded once at start-up, `await asyncio.to_thread(load)`",
        ],
        ..PYTHON
    },
];
