//! The run itself, from the checks before the start to the target's end.

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use loopscope_engine::config::Config;
use loopscope_engine::observation::{Ending, Fact};
use loopscope_engine::watch::{Observer, ObserverOptions, Outcome, Scope, WatchOptions};
use loopscope_postgres::{Target, Watch};
use loopscope_recorder::clock::unix_nanos;
use loopscope_recorder::environment;
use loopscope_server::{Publisher, Server, SnapshotCell, Token};
use rustix::io::Errno;
use rustix::process::{Pid, Resource, Rlimit, WaitOptions, WaitStatus, getrlimit, setrlimit, wait};

use super::agent_files;
use super::drills;
use super::equip::Equipment;
use super::options::RunArgs;
use super::restart::Guard;
use super::serve::{self, Bridge, Show};
use super::signals::{self, Aim, Heard};
use super::watchdog;
use crate::exit_codes::{NOT_EXECUTABLE, NOT_FOUND, SIGNAL_BASE, UNAVAILABLE, USAGE};
use crate::messages::{complain, say};

/// A run that is about to start.
pub(crate) struct Watching {
    show: Box<dyn Show>,
    token: Option<Token>,
    /// The pulse and the folder for recordings; `None` where the target runs unwatched.
    equipment: Option<Equipment>,
    notes: Vec<Fact>,
    run_id: u64,
    /// Where the first line of the target's output goes, a port; for targets of our own.
    port_told: Option<Sender<u16>>,
    /// Where the health endpoint's address goes.
    endpoint_told: Option<Sender<SocketAddr>>,
    /// A database server to ask.
    database: Option<Target>,
}

/// A run that is over. The last state is served until this is dropped.
pub(crate) struct Supervised {
    /// What the program ends with.
    pub(crate) exit_code: u8,
    /// What was found; `None` when the observer failed.
    pub(crate) outcome: Option<Outcome>,
    /// Whether the target told its port, where it was asked to.
    pub(crate) told_port: bool,
    linger: Duration,
    stopped: Receiver<()>,
    server: Option<Server>,
    observer: Option<Arc<Observer>>,
}

impl Supervised {
    /// Serves the last state for as long as was asked, or until we are told to end.
    pub(crate) fn linger(&self) {
        if self.server.is_some() && self.observer.is_some() && !self.linger.is_zero() {
            say(&format!(
                "serving the last state for {} s more",
                self.linger.as_secs_f64()
            ));
            // Nobody listens to signals, and each of them ends us anyhow.
            if self.stopped.recv_timeout(self.linger) == Err(RecvTimeoutError::Disconnected) {
                thread::sleep(self.linger);
            }
        }
    }
}

impl Watching {
    /// Checks what can be checked before the target starts.
    pub(crate) fn prepare(args: &RunArgs, show: Box<dyn Show>) -> Result<Self, ExitCode> {
        let token = args
            .token
            .clone()
            .map(Token::new)
            .transpose()
            .map_err(|error| {
                complain(
                    &format!("the token cannot be used: {error}"),
                    "set another LOOPSCOPE_TOKEN",
                );
                ExitCode::from(USAGE)
            })?;
        // The text is not repeated: it may hold a password.
        let database = args.postgres.as_deref().map(str::parse::<Target>);
        let database = database.transpose().map_err(|error| {
            complain(
                &error.to_string(),
                "give --postgres, or LOOPSCOPE_POSTGRES, such an address",
            );
            ExitCode::from(USAGE)
        })?;
        let mut notes = Vec::new();
        let equipment = Equipment::get(&args.command, &mut notes);
        // Any number that no other run of this host has at this time; 0 means none.
        let run_id = unix_nanos().rotate_left(24) ^ u64::from(std::process::id()) | 1;
        Ok(Self {
            show,
            token,
            equipment,
            notes,
            run_id,
            port_told: None,
            endpoint_told: None,
            database,
        })
    }

    /// Takes the target's stdout, whose first line is the port that it listens on.
    pub(crate) fn with_output(mut self, port_told: Sender<u16>) -> Self {
        self.port_told = Some(port_told);
        self
    }

    /// Tells the health endpoint's address once it listens.
    pub(crate) fn with_endpoint(mut self, endpoint_told: Sender<SocketAddr>) -> Self {
        self.endpoint_told = Some(endpoint_told);
        self
    }

    /// Starts the target, and returns when it has ended.
    pub(crate) fn run(mut self, args: &RunArgs) -> Result<Supervised, ExitCode> {
        let unheard = |error: &io::Error| warn("cannot pass signals on", error);
        if let Err(error) = signals::keep_endings() {
            warn("cannot tell how the program ends", &error);
        }
        let heard = Heard::listen().inspect_err(unheard).ok();
        let cell = SnapshotCell::before_first_look(service(args), env!("CARGO_PKG_VERSION"));
        let cell = Arc::new(cell);
        // Before the target, which is told where.
        let server = serve::start(args, self.token.take(), &cell);
        let endpoint = server.as_ref().and_then(|server| server.as_ref().ok());
        let mut command = self.command(args, endpoint.map(serve::endpoint));
        let mut child = command.spawn().map_err(|error| not_started(args, &error))?;
        let target = Pid::from_child(&child);
        // Only now: the target inherits neither what we listen to nor how many files we may open.
        if let Some(Err(error)) = heard.as_ref().map(Heard::listen_to_ignored) {
            unheard(&error);
        }
        let file_limit = FileLimit::raised();
        let port_told = self.port_told.take();
        let drills = self.drills(args);
        let database = self.database.take();
        let (stop, stopped) = mpsc::channel();
        let server = server.and_then(serve::tell);
        if let (Some(told), Some(server)) = (&self.endpoint_told, &server) {
            let _ = told.send(server.local_addr());
        }
        let observer = self.observe(args, &child, Arc::clone(&cell)).map(Arc::new);
        let aim = Arc::new(Aim::at(target));
        let asked_to_end = Arc::new(AtomicBool::new(false));
        if let Some(heard) = heard {
            let (told, asked) = (observer.clone(), Arc::clone(&asked_to_end));
            let ending = move |signal| {
                told.iter().for_each(|observer| observer.shutting_down());
                asked.fetch_or(signals::means_the_end(signal), Ordering::Relaxed);
            };
            if let Err(error) = heard.pass_on(Arc::clone(&aim), ending, stop) {
                unheard(&error);
            }
        }
        let asking = database.and_then(|server| ask(server, observer.as_deref()));
        let told_port = port_told.is_some_and(|told| tell_port(&told, &mut child));
        drop(child);
        let again = Again {
            command,
            aim,
            asked_to_end,
            file_limit,
        };
        let status = again.wait(args, target, observer.as_deref(), &cell, &stopped);
        drop(asking);
        if let Some(folder) = drills {
            drills::tidy(&folder);
        }
        let outcome = observer
            .as_ref()
            .and_then(|observer| observer.finish(ending_of(status)));
        // Until here they were meant for the target.
        while stopped.try_recv().is_ok() {}
        Ok(Supervised {
            exit_code: exit_code_of(status),
            outcome,
            told_port,
            linger: args.linger.unwrap_or_default(),
            stopped,
            server,
            observer,
        })
    }

    /// Where the sockets of processes lie that may be drilled.
    fn drills(&self, args: &RunArgs) -> Option<PathBuf> {
        let equipment = self.equipment.as_ref().filter(|_| args.allow_drill);
        equipment.map(|equipment| equipment.folder.path().to_path_buf())
    }

    fn observe(self, args: &RunArgs, child: &Child, cell: Arc<SnapshotCell>) -> Option<Observer> {
        let pulse = self.equipment.as_ref().and_then(Equipment::pulse_object);
        let folder = self
            .equipment
            .map(|equipment| equipment.folder.path().to_path_buf());
        let stall_threshold = args.stall_threshold();
        let options = ObserverOptions {
            watch: WatchOptions {
                run_id: self.run_id,
                folder: folder.unwrap_or_default(),
                main_pid: child.id(),
                main_name: program_name(args),
                stall_threshold,
                pulse,
                scope: Scope::Run,
            },
            config: Config {
                stall_threshold,
                blocked_threshold: args.blocked_threshold(),
                slow_model_call_threshold: args.slow_model_call_threshold(),
                ..Config::default().hastened(args.trend_pace.unwrap_or(1))
            },
            service: service(args),
            version: env!("CARGO_PKG_VERSION"),
            notes: self.notes,
            publish: Box::new(Bridge {
                publisher: Publisher::new(cell, Vec::new()),
                show: self.show,
            }),
        };
        let observer = Observer::start(options);
        observer
            .inspect_err(|error| warn("cannot observe", error))
            .ok()
    }

    fn command(&self, args: &RunArgs, endpoint: Option<SocketAddr>) -> Command {
        let (program, rest) = args
            .command
            .split_first()
            .map_or((None, &[][..]), |(program, rest)| (Some(program), rest));
        let mut command = Command::new(program.map_or(OsString::new(), OsString::clone));
        command.args(rest);
        if self.port_told.is_some() {
            command.stdout(Stdio::piped());
        }
        // Left over from elsewhere it allows nothing.
        command.env_remove(environment::ALLOW_DRILL);
        if let Some(equipment) = &self.equipment {
            command
                .env("LD_PRELOAD", preload(&equipment.pulse))
                .env(environment::RUNTIME_DIR, equipment.folder.path())
                .env(environment::RUN_ID, format!("{:x}", self.run_id))
                .env(environment::OBSERVER_PID, std::process::id().to_string())
                .env(environment::SERVICE, service(args))
                .env(
                    environment::STALL_THRESHOLD_MS,
                    (args.stall_threshold().0 / 1_000_000).to_string(),
                );
            if let Some(untracked) = &args.untracked {
                command.env(environment::UNTRACKED, untracked);
            }
            if args.allow_drill {
                command.env(environment::ALLOW_DRILL, drills::allowed(args, self.run_id));
            }
            if let Some(endpoint) = endpoint {
                command.env(environment::ENDPOINT, endpoint.to_string());
            }
            if let Some(agent) = &equipment.agent {
                command.env(environment::INTRODUCE, agent_files::introduction(agent));
            }
        }
        command
    }
}

/// Starts to ask a database server. It is asked until this is dropped.
fn ask(server: Target, observer: Option<&Observer>) -> Option<Watch> {
    let teller = observer?.teller()?;
    // Its descendants and ours: the target may be started again.
    let watch = Watch::start(server, std::process::id(), move |fact| teller.tell(fact));
    watch
        .inspect_err(|error| warn("cannot ask the database server", error))
        .ok()
}

/// Passes the port on that the target's first line names; `false` where it names none.
fn tell_port(told: &Sender<u16>, child: &mut Child) -> bool {
    let Some(output) = child.stdout.take() else {
        return false;
    };
    let mut line = String::new();
    let read = BufReader::new(output).read_line(&mut line);
    let port = read.ok().and_then(|_| line.trim().parse().ok());
    port.is_some_and(|port| told.send(port).is_ok())
}

/// What it takes to start the target once more.
struct Again {
    command: Command,
    aim: Arc<Aim>,
    asked_to_end: Arc<AtomicBool>,
    file_limit: FileLimit,
}

impl Again {
    /// Waits for the end of the target; where it was ended since a loop of it was blocked, starts it again and waits
    /// for that.
    fn wait(
        mut self,
        args: &RunArgs,
        mut target: Pid,
        observer: Option<&Observer>,
        cell: &Arc<SnapshotCell>,
        stopped: &Receiver<()>,
    ) -> Option<ExitStatus> {
        let _watchdog = watchdog::start(Arc::clone(cell)).and_then(|started| {
            let unheard = |error: &io::Error| warn("cannot give systemd signs of life", error);
            started.inspect_err(unheard).ok()
        });
        let guard = args.restart_when_blocked.zip(observer);
        let guard = guard.and_then(|(limit, observer)| {
            let started = Guard::start(limit, Arc::clone(cell), observer.teller()?);
            let unguarded = |error: &io::Error| warn("cannot restart it when it is blocked", error);
            started.inspect_err(unguarded).ok()
        });
        loop {
            let status = wait_for(target);
            let (Some(guard), Some(observer)) = (&guard, observer) else {
                return status;
            };
            let Some(pause) = guard.pause_after(number(target)) else {
                return status;
            };
            // What came until here was meant for the target that is gone.
            while stopped.try_recv().is_ok() {}
            let is_told = || self.asked_to_end.load(Ordering::Relaxed);
            if is_told() || stopped.recv_timeout(pause).is_ok() {
                return status;
            }
            let child = match self.file_limit.as_given(|| self.command.spawn()) {
                Ok(child) => child,
                Err(error) => {
                    warn("cannot start the program again", &error);
                    return status;
                }
            };
            target = Pid::from_child(&child);
            self.aim.turn_to(target);
            say(&format!("started again as pid {}", number(target)));
            observer.begin_again(ending_of(status), number(target));
        }
    }
}

fn number(process: Pid) -> u32 {
    process.as_raw_nonzero().get().unsigned_abs()
}

/// How many files we may open. Watching many processes takes a descriptor or more for each.
struct FileLimit {
    given: Rlimit,
}

impl FileLimit {
    /// As many as we may have at all.
    fn raised() -> Self {
        let given = getrlimit(Resource::Nofile);
        Self::raise(given);
        Self { given }
    }

    fn raise(given: Rlimit) {
        let highest = Rlimit {
            current: given.maximum,
            ..given
        };
        // The old limit does for most runs.
        let _ = setrlimit(Resource::Nofile, highest);
    }

    /// Starts something with the limit that we were given.
    fn as_given<T>(&self, start: impl FnOnce() -> T) -> T {
        let _ = setrlimit(Resource::Nofile, self.given);
        let started = start();
        Self::raise(self.given);
        started
    }
}

/// The service's name: as given, or the program's.
fn service(args: &RunArgs) -> String {
    args.service.clone().unwrap_or_else(|| program_name(args))
}

fn program_name(args: &RunArgs) -> String {
    let program = args.command.first().map(Path::new);
    let name = program.and_then(Path::file_name).unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// The pulse comes first, so that it stands before everything else that may be preloaded.
fn preload(pulse: &Path) -> OsString {
    let mut list = pulse.as_os_str().to_owned();
    if let Some(others) = std::env::var_os("LD_PRELOAD").filter(|others| !others.is_empty()) {
        list.push(":");
        list.push(others);
    }
    list
}

fn not_started(args: &RunArgs, error: &io::Error) -> ExitCode {
    let program = args
        .command
        .first()
        .map(|name| name.to_string_lossy().into_owned());
    let program = program.unwrap_or_default();
    let has_no_format = error.raw_os_error() == Some(Errno::NOEXEC.raw_os_error());
    let hint = if has_no_format {
        "begin a script with `#!` and its interpreter, or name the interpreter: loopscope run -- sh SCRIPT"
    } else {
        "give the command as you would type it in this folder: loopscope run -- COMMAND"
    };
    complain(
        &format!("cannot start the program ({error}): {program}"),
        hint,
    );
    ExitCode::from(match error.kind() {
        io::ErrorKind::NotFound => NOT_FOUND,
        // There was no process to be had for it.
        io::ErrorKind::WouldBlock | io::ErrorKind::OutOfMemory => UNAVAILABLE,
        _ => NOT_EXECUTABLE,
    })
}

/// Waits for the target's end. As the first process of a container we also collect orphans on the way. A
/// target that stands still, by job control or for a dump, has not ended.
fn wait_for(target: Pid) -> Option<ExitStatus> {
    loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid == target && has_ended(status) => {
                return Some(ExitStatus::from_raw(status.as_raw()));
            }
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => {
                warn("cannot wait for the program", &error.into());
                return None;
            }
        }
    }
}

fn has_ended(status: WaitStatus) -> bool {
    status.exited() || status.signaled()
}

fn ending_of(status: Option<ExitStatus>) -> Ending {
    let exited = status.and_then(|status| status.code()).map(Ending::Exited);
    let signaled = status
        .and_then(|status| status.signal())
        .map(Ending::Signaled);
    exited.or(signaled).unwrap_or(Ending::Vanished)
}

fn exit_code_of(status: Option<ExitStatus>) -> u8 {
    let code = status
        .and_then(|status| status.code())
        .and_then(|code| u8::try_from(code).ok());
    let signal = status.and_then(|status| status.signal());
    let by_signal = signal
        .and_then(|signal| u8::try_from(signal).ok())
        .map(|signal| SIGNAL_BASE + signal);
    code.or(by_signal).unwrap_or(UNAVAILABLE)
}

fn warn(what: &str, error: &io::Error) {
    complain(
        &format!("{what} ({error})"),
        "the program runs on without it",
    );
}
