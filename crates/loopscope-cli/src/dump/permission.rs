//! Why the kernel refuses to show a process's memory, and what would allow it.
//!
//! The rule is `ptrace_may_access` of ptrace(2): the same user and a process that may be dumped, or the
//! capability; then the security modules, of which Yama is told by its setting.

use std::fs;
use std::path::Path;

use nix::unistd::geteuid;

use super::surroundings::{Status, user_name};

/// `CAP_SYS_PTRACE` of capabilities(7).
const CAP_SYS_PTRACE: u64 = 1 << 19;

/// Everything that a refusal is told from.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Case {
    pid: u32,
    own_uid: u32,
    uid: Option<u32>,
    user: Option<String>,
    may_trace: bool,
    has_seccomp_filter: bool,
    /// Yama's setting, 0 where there is none.
    ptrace_scope: u32,
    is_in_container: bool,
    /// How this program is called under `sudo`.
    program: String,
}

/// The reason and the hint.
pub(super) fn explain(pid: u32, status: &Status) -> (String, String) {
    let own = Status::read("self").unwrap_or_default();
    told(&Case {
        pid,
        own_uid: geteuid().as_raw(),
        uid: status.uid,
        user: status.uid.and_then(user_name),
        may_trace: own.capabilities & CAP_SYS_PTRACE != 0,
        has_seccomp_filter: own.has_seccomp_filter,
        ptrace_scope: ptrace_scope(),
        is_in_container: is_in_container(),
        program: program(),
    })
}

fn told(case: &Case) -> (String, String) {
    let sudo = format!("`sudo {} dump {}`", case.program, case.pid);
    let is_other = case.uid.is_some_and(|uid| uid != case.own_uid);
    if case.may_trace {
        return refused_with_capability(case);
    }
    if case.own_uid == 0 {
        return (
            "this root may not trace (CAP_SYS_PTRACE is missing)".to_owned(),
            "start the container with `--cap-add SYS_PTRACE` (Kubernetes: \
             `securityContext.capabilities.add: [SYS_PTRACE]`), or run on its host"
                .to_owned(),
        );
    }
    if is_other {
        let user = case.user.clone().or(case.uid.map(|uid| uid.to_string()));
        return (
            format!("it belongs to user {}", user.unwrap_or_default()),
            sudo,
        );
    }
    match case.ptrace_scope {
        0 if case.is_in_container && case.has_seccomp_filter => (
            "a seccomp filter or the kernel's dumpable flag forbids it".to_owned(),
            format!("start the container with `--cap-add SYS_PTRACE`, or try {sudo}"),
        ),
        0 if case.has_seccomp_filter => (
            "a seccomp filter or the kernel's dumpable flag forbids it".to_owned(),
            format!("from a shell that no sandbox is around: {sudo}"),
        ),
        0 => (
            "it has changed its user or is protected from being dumped".to_owned(),
            sudo,
        ),
        1 => (
            "kernel.yama.ptrace_scope is 1, so only parents may".to_owned(),
            format!(
                "{sudo}, or allow it until the next boot: `sudo sysctl kernel.yama.ptrace_scope=0`"
            ),
        ),
        2 => (
            "kernel.yama.ptrace_scope is 2, so only root may".to_owned(),
            sudo,
        ),
        scope => (
            format!("kernel.yama.ptrace_scope is {scope}, so nobody may until the next boot"),
            "set `kernel.yama.ptrace_scope = 1` in /etc/sysctl.d and reboot; until then start \
             programs with `loopscope run -- COMMAND`"
                .to_owned(),
        ),
    }
}

fn refused_with_capability(case: &Case) -> (String, String) {
    if case.ptrace_scope >= 3 {
        return (
            format!(
                "kernel.yama.ptrace_scope is {}, so nobody may until the next boot",
                case.ptrace_scope
            ),
            "set `kernel.yama.ptrace_scope = 1` in /etc/sysctl.d and reboot".to_owned(),
        );
    }
    if case.has_seccomp_filter {
        return (
            "a seccomp filter forbids it".to_owned(),
            "start the container with `--security-opt seccomp=unconfined`, or run on its host"
                .to_owned(),
        );
    }
    (
        "a security module (SELinux, AppArmor) or another user namespace forbids it".to_owned(),
        "run on the host of the container; what forbade it: `sudo dmesg | tail`".to_owned(),
    )
}

fn ptrace_scope() -> u32 {
    let text = fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").unwrap_or_default();
    text.trim().parse().unwrap_or(0)
}

fn is_in_container() -> bool {
    ["/.dockerenv", "/run/.containerenv"]
        .iter()
        .any(|marker| Path::new(marker).exists())
        || std::env::var_os("KUBERNETES_SERVICE_HOST").is_some()
}

/// The program's name where `sudo` finds it by that, else its path.
pub(super) fn program() -> String {
    let Ok(path) = std::env::current_exe() else {
        return "loopscope".to_owned();
    };
    let is_found = ["/usr/bin", "/usr/local/bin", "/bin"]
        .iter()
        .any(|folder| path == Path::new(folder).join("loopscope"));
    if is_found {
        "loopscope".to_owned()
    } else {
        path.display().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case() -> Case {
        Case {
            pid: 4242,
            own_uid: 1000,
            uid: Some(1000),
            user: Some("alice".to_owned()),
            may_trace: false,
            has_seccomp_filter: false,
            ptrace_scope: 1,
            is_in_container: false,
            program: "loopscope".to_owned(),
        }
    }

    #[track_caller]
    fn check(case: Case, reason: &str, command: &str) {
        let (why, hint) = told(&case);
        assert!(why.contains(reason), "{why}");
        assert!(hint.contains(command), "{hint}");
    }

    #[test]
    fn yamas_setting_is_named_with_what_changes_it() {
        check(case(), "ptrace_scope is 1", "`sudo loopscope dump 4242`");
        check(
            case(),
            "ptrace_scope is 1",
            "sysctl kernel.yama.ptrace_scope=0",
        );
        let strict = Case {
            ptrace_scope: 2,
            ..case()
        };
        check(strict, "only root may", "`sudo loopscope dump 4242`");
        let locked = Case {
            ptrace_scope: 3,
            may_trace: true,
            own_uid: 0,
            ..case()
        };
        check(locked, "nobody may", "reboot");
    }

    #[test]
    fn another_users_process_needs_sudo() {
        let other = Case {
            own_uid: 33,
            ..case()
        };
        check(
            other,
            "it belongs to user alice",
            "`sudo loopscope dump 4242`",
        );
    }

    #[test]
    fn root_of_a_container_needs_the_capability_or_no_filter() {
        let bare = Case {
            own_uid: 0,
            ptrace_scope: 0,
            ..case()
        };
        check(bare.clone(), "CAP_SYS_PTRACE", "--cap-add SYS_PTRACE");
        let filtered = Case {
            may_trace: true,
            has_seccomp_filter: true,
            ..bare
        };
        check(filtered, "seccomp", "seccomp=unconfined");
    }

    #[test]
    fn a_sandboxed_user_is_sent_out_of_the_sandbox() {
        let sandboxed = Case {
            ptrace_scope: 0,
            has_seccomp_filter: true,
            ..case()
        };
        check(sandboxed, "seccomp filter", "`sudo loopscope dump 4242`");
    }

    #[test]
    fn a_process_that_changed_its_user_needs_root() {
        let changed = Case {
            ptrace_scope: 0,
            ..case()
        };
        check(changed, "changed its user", "`sudo loopscope dump 4242`");
    }
}
