//! Work for the processor. A thread helps where the code releases the interpreter's lock, and only there.

use super::{Entry, PYTHON};
use crate::syscalls::Wait;

/// A call of these is to blame only while the thread computes, or while that cannot be told.
const COMPUTING: &[Wait] = &[Wait::Computing, Wait::Other];
const PROCESS_POOL: Option<&str> = Some("await loop.run_in_executor(process_pool, {call}, ...)");
const THREAD: Option<&str> = Some("await asyncio.to_thread({call}, ...)");

const JSON_FIX: &str = "fix: `orjson` is several times faster; for tens of megabytes use a process pool, \
     `await loop.run_in_executor(process_pool, {call}, ...)`";

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        name: "re",
        calls: &[
            "re.match",
            "re.search",
            "re.fullmatch",
            "re.sub",
            "re.subn",
            "re.split",
            "re.findall",
            "re.finditer",
            ".match",
            ".search",
            ".fullmatch",
            ".findall",
            ".finditer",
        ],
        frames: &[
            ("re.py", &[]),
            ("re/__init__.py", &[]),
            ("sre_compile.py", &[]),
            ("re/_compiler.py", &[]),
        ],
        waits: COMPUTING,
        replacement: PROCESS_POOL,
        steps: &[
            "stop the bleeding: limit the length of what is matched; a pattern with nested repetition takes \
             exponential time on the wrong text",
            "fix: rewrite the pattern without nested `*` or `+`, or use `google-re2`, which takes linear time",
            "a thread does not help: the matcher keeps the interpreter's lock",
        ],
        ..PYTHON
    },
    Entry {
        name: "json.loads",
        calls: &[
            "json.loads",
            "json.load",
            "simplejson.loads",
            "simplejson.load",
        ],
        frames: &[
            ("json/decoder.py", &[]),
            ("json/__init__.py", &["loads", "load"]),
            ("simplejson/decoder.py", &[]),
        ],
        waits: COMPUTING,
        replacement: Some("orjson.loads(...)"),
        steps: &[
            "stop the bleeding: limit the size of bodies that are taken in",
            JSON_FIX,
        ],
        ..PYTHON
    },
    Entry {
        name: "json.dumps",
        calls: &[
            "json.dumps",
            "json.dump",
            "simplejson.dumps",
            "simplejson.dump",
        ],
        frames: &[
            ("json/encoder.py", &[]),
            ("json/__init__.py", &["dumps", "dump"]),
            ("simplejson/encoder.py", &[]),
        ],
        waits: COMPUTING,
        replacement: Some("orjson.dumps(...)"),
        steps: &["stop the bleeding: page what is given out", JSON_FIX],
        ..PYTHON
    },
    Entry {
        name: "pickle",
        calls: &[
            "pickle.loads",
            "pickle.dumps",
            "pickle.load",
            "pickle.dump",
            "marshal.loads",
        ],
        frames: &[("pickle.py", &[]), ("cloudpickle/", &[]), ("joblib/", &[])],
        waits: COMPUTING,
        replacement: PROCESS_POOL,
        steps: &[
            "stop the bleeding: pickle less at once",
            "fix: hold the data in a form that is not rebuilt object by object: arrays, Arrow, msgpack",
        ],
        ..PYTHON
    },
    Entry {
        name: "copy.deepcopy",
        calls: &["copy.deepcopy", "deepcopy"],
        frames: &[("copy.py", &[])],
        waits: COMPUTING,
        replacement: Some("copy.copy(...)"),
        steps: &[
            "fix: copy only what changes, `copy.copy` or a new object of the changed fields; deep copies of \
             large structures are pure Python",
        ],
        ..PYTHON
    },
    Entry {
        name: "password hashing",
        calls: &[
            "bcrypt.hashpw",
            "bcrypt.checkpw",
            "hashlib.pbkdf2_hmac",
            "hashlib.scrypt",
            ".verify_password",
        ],
        frames: &[("bcrypt/", &[]), ("passlib/", &[]), ("argon2/", &[])],
        waits: COMPUTING,
        replacement: THREAD,
        steps: &[
            "fix: run it in a thread, `await asyncio.to_thread({call}, ...)`; these release the interpreter's \
             lock, and they are slow on purpose",
        ],
        ..PYTHON
    },
    Entry {
        name: "hashlib",
        calls: &[
            "hashlib.md5",
            "hashlib.sha1",
            "hashlib.sha256",
            "hashlib.sha512",
            "hashlib.file_digest",
            ".hexdigest",
        ],
        frames: &[("hashlib.py", &[])],
        waits: COMPUTING,
        replacement: THREAD,
        steps: &[
            "fix: hash large data in a thread, `await asyncio.to_thread({call}, ...)`; hashing releases the \
             interpreter's lock",
        ],
        ..PYTHON
    },
    Entry {
        name: "cryptography",
        frames: &[
            ("cryptography/", &[]),
            ("Crypto/", &[]),
            ("jwt/", &[]),
            ("rsa/", &[]),
        ],
        waits: COMPUTING,
        replacement: THREAD,
        steps: &[
            "stop the bleeding: keep keys and verified tokens instead of making them again for each request",
            "fix: run it in a thread, `await asyncio.to_thread({call}, ...)`",
        ],
        ..PYTHON
    },
    Entry {
        name: "compression",
        calls: &[
            "zlib.compress",
            "zlib.decompress",
            "gzip.compress",
            "gzip.decompress",
            "bz2.compress",
            "bz2.decompress",
            "lzma.compress",
            "lzma.decompress",
        ],
        frames: &[
            ("gzip.py", &[]),
            ("bz2.py", &[]),
            ("lzma.py", &[]),
            ("_compression.py", &[]),
        ],
        waits: COMPUTING,
        replacement: THREAD,
        steps: &[
            "stop the bleeding: a lower compression level",
            "fix: run it in a thread, `await asyncio.to_thread({call}, ...)`; compression releases the \
             interpreter's lock",
        ],
        ..PYTHON
    },
    Entry {
        name: "Pillow",
        calls: &["Image.open", ".thumbnail", ".resize"],
        frames: &[("PIL/", &[])],
        waits: COMPUTING,
        replacement: THREAD,
        steps: &[
            "stop the bleeding: limit the size of images that are taken in",
            "fix: run it in a thread, `await asyncio.to_thread(function)`; Pillow releases the interpreter's \
             lock while it works on pixels",
        ],
        ..PYTHON
    },
    Entry {
        name: "pandas",
        calls: &[
            "pd.read_csv",
            "pandas.read_csv",
            "pd.read_excel",
            "pd.read_parquet",
            "pd.merge",
            "pd.concat",
        ],
        frames: &[("pandas/", &[]), ("openpyxl/", &[])],
        waits: COMPUTING,
        replacement: PROCESS_POOL,
        steps: &[
            "stop the bleeding: work on fewer rows at once, `chunksize=...`",
            "fix: a process pool, `await loop.run_in_executor(process_pool, function)`; give it the file's \
             name, not the frame",
        ],
        ..PYTHON
    },
    Entry {
        name: "numpy",
        calls: &[
            "np.dot",
            "np.matmul",
            "np.sort",
            "np.linalg.svd",
            "np.linalg.inv",
            "numpy.dot",
        ],
        frames: &[("numpy/", &[]), ("scipy/", &[]), ("sklearn/", &[])],
        waits: COMPUTING,
        replacement: THREAD,
        steps: &[
            "fix: run it in a thread, `await asyncio.to_thread({call}, ...)`; most of numpy releases the \
             interpreter's lock",
        ],
        ..PYTHON
    },
    Entry {
        name: "model inference",
        calls: &[".generate", ".predict", ".encode_batch"],
        frames: &[
            ("torch/", &[]),
            ("transformers/", &[]),
            ("sentence_transformers/", &[]),
            ("onnxruntime/", &[]),
            ("tensorflow/", &[]),
        ],
        waits: COMPUTING,
        replacement: THREAD,
        steps: &[
            "stop the bleeding: run it in a thread with one worker, \
             `await loop.run_in_executor(ThreadPoolExecutor(1), function)`",
            "fix: a process or server of its own for the model, which gathers requests into batches",
        ],
        ..PYTHON
    },
    Entry {
        name: "yaml",
        calls: &["yaml.safe_load", "yaml.load", "yaml.dump", "yaml.safe_dump"],
        frames: &[("yaml/", &[]), ("ruamel/", &[])],
        waits: COMPUTING,
        replacement: Some("yaml.load(..., Loader=yaml.CSafeLoader)"),
        steps: &[
            "fix: `Loader=yaml.CSafeLoader` is about ten times faster; large files at start-up only",
        ],
        ..PYTHON
    },
    Entry {
        name: "an XML or HTML parser",
        calls: &[
            "ET.parse",
            "ET.fromstring",
            "etree.parse",
            "etree.fromstring",
            "BeautifulSoup",
        ],
        frames: &[
            ("xml/", &[]),
            ("bs4/", &[]),
            ("html5lib/", &[]),
            ("html/parser.py", &[]),
        ],
        waits: COMPUTING,
        replacement: PROCESS_POOL,
        steps: &[
            "stop the bleeding: limit the size of documents that are taken in",
            "fix: `lxml` instead of a parser in pure Python, and a process pool for large documents",
        ],
        ..PYTHON
    },
    Entry {
        name: "csv",
        calls: &["csv.reader", "csv.DictReader", "csv.writer", ".writerows"],
        frames: &[("csv.py", &[])],
        waits: COMPUTING,
        replacement: PROCESS_POOL,
        steps: &[
            "stop the bleeding: `await asyncio.sleep(0)` every few hundred rows",
            "fix: a process pool for whole files, `await loop.run_in_executor(process_pool, function, path)`",
        ],
        ..PYTHON
    },
    Entry {
        name: "a template",
        calls: &[".render", "render_template"],
        frames: &[("jinja2/", &[]), ("mako/", &[]), ("django/template/", &[])],
        waits: COMPUTING,
        replacement: Some(
            "await template.render_async(...)  # jinja2.Environment(enable_async=True)",
        ),
        steps: &[
            "stop the bleeding: page what is shown",
            "fix: stream it, `template.generate_async(...)`, so that others get their turn between pieces",
        ],
        ..PYTHON
    },
    Entry {
        name: "pydantic",
        calls: &[
            ".model_validate",
            ".model_validate_json",
            ".model_dump",
            ".model_dump_json",
            ".parse_obj",
        ],
        frames: &[("pydantic/", &[]), ("pydantic_core/", &[])],
        waits: COMPUTING,
        replacement: Some("Model.model_construct(...)"),
        steps: &[
            "stop the bleeding: validate less at once, and page large lists",
            "fix: `model_validate_json` on the bytes instead of `json.loads` and `model_validate`; \
             `model_construct` for data that is known to be right",
        ],
        ..PYTHON
    },
    Entry {
        name: "a large number",
        calls: &[
            "pow",
            "math.factorial",
            "math.comb",
            "math.perm",
            "int",
            "str",
        ],
        waits: COMPUTING,
        replacement: PROCESS_POOL,
        steps: &[
            "stop the bleeding: limit the size of the numbers that are taken in",
            "fix: a process pool, `await loop.run_in_executor(process_pool, {call}, ...)`; arithmetic on one \
             large number keeps the interpreter's lock from start to end",
        ],
        ..PYTHON
    },
    Entry {
        name: "a built-in over a large collection",
        calls: &[
            "sorted", "sum", "max", "min", "list", "set", "dict", ".sort",
        ],
        waits: COMPUTING,
        replacement: PROCESS_POOL,
        steps: &[
            "stop the bleeding: work on fewer items at once, with `await asyncio.sleep(0)` in between",
            "fix: let the database sort and sum, or move it to a process pool",
        ],
        ..PYTHON
    },
    Entry {
        name: "gc.collect",
        calls: &["gc.collect"],
        waits: COMPUTING,
        replacement: Some("gc.freeze()  # once, after start-up"),
        steps: &[
            "fix: leave collecting to Python; `gc.freeze()` after start-up makes what it walks smaller",
        ],
        ..PYTHON
    },
];
