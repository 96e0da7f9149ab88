//! Puts an agent's folder into the environment of a program that can take one.
//!
//! What marks such a program, which variable, and which folder: the supervisor says all three. Done here
//! and not by the supervisor, because programs start others with an environment of their own making, and
//! because a program that takes no agent must not see a changed variable.
#![expect(unsafe_code, reason = "looks a symbol up; changes the environment")]

use std::env;
use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use loopscope_recorder::environment::INTRODUCE;

/// Runs while the program is loaded: there is one thread, and nobody has read the environment yet.
pub(crate) fn introduce() {
    let Some(told) = env::var_os(INTRODUCE) else {
        return;
    };
    let mut parts = told.as_bytes().splitn(3, |byte| *byte == b':');
    let (Some(symbol), Some(variable), Some(folder)) = (parts.next(), parts.next(), parts.next())
    else {
        return;
    };
    let variable = OsStr::from_bytes(variable);
    if !variable.is_empty() && !folder.is_empty() && has_symbol(symbol) {
        let list = put_first(folder, env::var_os(variable).as_deref());
        // SAFETY: no other thread runs, and nobody holds a pointer into the environment.
        unsafe { env::set_var(variable, list) };
    }
}

/// Whether the program, or a library that it was linked against, has this symbol.
fn has_symbol(name: &[u8]) -> bool {
    let Ok(name) = CString::new(name) else {
        return false;
    };
    // SAFETY: looks a name up among the objects that are loaded.
    let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    // SAFETY: takes nothing. It clears the failure that a missing name left, which is not the program's.
    unsafe { libc::dlerror() };
    !found.is_null()
}

/// The list with the folder at its front, and nowhere else.
fn put_first(folder: &[u8], list: Option<&OsStr>) -> OsString {
    let mut all = folder.to_vec();
    let parts = list.map(OsStr::as_bytes).filter(|list| !list.is_empty());
    for part in parts
        .into_iter()
        .flat_map(|list| list.split(|byte| *byte == b':'))
    {
        if part != folder {
            all.push(b':');
            all.extend_from_slice(part);
        }
    }
    OsString::from_vec(all)
}
