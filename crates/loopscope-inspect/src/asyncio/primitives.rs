//! What makes a task wait, as people name it: a lock, a queue, a sleep.
//!
//! Told from the innermost frames of the task's await chain, as long as they are asyncio's or anyio's own:
//! the function and the type of its `self` name the primitive, and that object says the rest.

use std::sync::Arc;

use crate::codes::Code;
use crate::error::ReadResult;
use crate::memory::Memory;
use crate::object_model::{Kind, ObjectReader};

/// Frames that are looked at, from the innermost outward; a `Barrier` has four.
const MAX_PRIMITIVE_FRAMES: usize = 8;

/// What made a task wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PrimitiveWords {
    pub(crate) kind: Arc<str>,
    /// The object.
    pub(crate) address: Option<u64>,
}

/// Whose code a frame belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner<'code> {
    /// asyncio's, by the name of the file without its ending.
    Asyncio(&'code str),
    Anyio,
    /// The program's, or another library's.
    Other,
}

/// Whose code this is.
pub(crate) fn owner(file: &str) -> Owner<'_> {
    let mut parts = file.rsplit('/');
    let name = parts.next().unwrap_or_default();
    match parts.next() {
        Some("asyncio") => Owner::Asyncio(name.strip_suffix(".py").unwrap_or(name)),
        Some(_) if file.contains("/anyio/") => Owner::Anyio,
        _ => Owner::Other,
    }
}

/// What a frame says of the wait.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Role {
    kind: Arc<str>,
    /// Whether it names the wait better than a frame further in does: a barrier waits on a condition.
    is_outer: bool,
}

impl Role {
    fn inner(kind: impl Into<Arc<str>>) -> Option<Self> {
        Some(Self {
            kind: kind.into(),
            is_outer: false,
        })
    }

    fn outer(kind: impl Into<Arc<str>>) -> Option<Self> {
        Some(Self {
            kind: kind.into(),
            is_outer: true,
        })
    }
}

impl<M: Memory> ObjectReader<M> {
    /// What made a task wait whose innermost frames are these, innermost first: each the frame's address
    /// and its code.
    pub(crate) fn primitive<'code>(
        &mut self,
        frames: impl Iterator<Item = (u64, &'code Code)>,
    ) -> ReadResult<Option<PrimitiveWords>> {
        let mut found: Option<PrimitiveWords> = None;
        for (frame, code) in frames.take(MAX_PRIMITIVE_FRAMES) {
            let owner = owner(&code.file);
            if owner == Owner::Other {
                break;
            }
            let object = match code.is_method {
                true => self.first_variable(frame)?,
                false => None,
            };
            let class = match object {
                Some(object) => Some(self.type_of(object)?),
                None => None,
            };
            let class_name = class.as_ref().map(|class| &*class.name);
            if let Some(role) = role(owner, &code.function, class_name)
                && (found.is_none() || role.is_outer)
            {
                found = Some(PrimitiveWords {
                    kind: role.kind,
                    address: object,
                });
            }
        }
        Ok(found)
    }

    /// What an object that makes tasks wait says of itself.
    pub(crate) fn primitive_detail(&mut self, object: u64) -> ReadResult<Option<String>> {
        let mut parts = Vec::new();
        if let Some(locked) = self.object_attribute(object, "_locked")?
            && self.kind_of(locked)? == Kind::Int
        {
            parts.push(
                if self.truth(locked)? {
                    "locked"
                } else {
                    "not locked"
                }
                .to_owned(),
            );
        }
        if let Some(value) = self.object_attribute(object, "_value")?
            && self.kind_of(value)? == Kind::Int
        {
            parts.push(self.value_text(value)?);
        }
        if let Some(most) = self.object_attribute(object, "_maxsize")?
            && let most @ 1.. = self.unsigned(most)?
        {
            parts.push(format!("maxsize {most}"));
        }
        let counts = [
            ("_queue", "queued", 0),
            ("_waiters", "waiting", 0),
            ("_getters", "getting", 1),
            ("_putters", "putting", 1),
        ];
        for (name, word, least) in counts {
            if let Some(queue) = self.object_attribute(object, name)?
                && let Some(count) = self.item_count(queue)?
                && count >= least
            {
                parts.push(format!("{count} {word}"));
            }
        }
        Ok((!parts.is_empty()).then(|| parts.join(", ")))
    }

    /// How many items a queue or list of waiters has. A `PriorityQueue` keeps a list.
    fn item_count(&mut self, items: u64) -> ReadResult<Option<u64>> {
        Ok(match self.kind_of(items)? {
            Kind::Deque => Some(self.deque_length(items)?),
            Kind::List => Some(self.list_length(items)? as u64),
            _ => None,
        })
    }

    /// An event has a `bool`, a semaphore a number.
    fn value_text(&mut self, value: u64) -> ReadResult<String> {
        let number = self.unsigned(value)?;
        Ok(match (&*self.type_of(value)?.name, number) {
            ("bool", 0) => "not set".to_owned(),
            ("bool", _) => "set".to_owned(),
            _ => format!("value {number}"),
        })
    }
}

fn role(owner: Owner<'_>, function: &str, class: Option<&str>) -> Option<Role> {
    let function = function.rsplit('.').next().unwrap_or(function);
    match owner {
        Owner::Asyncio("locks") => lock_role(function, class?),
        Owner::Asyncio("queues") => queue_role(function),
        Owner::Asyncio("tasks") => task_role(function),
        Owner::Asyncio("streams") => stream_role(function),
        Owner::Asyncio("taskgroups") => Role::inner("TaskGroup"),
        Owner::Asyncio("threads") => Role::outer("executor"),
        Owner::Asyncio("subprocess" | "base_subprocess") => Role::outer("subprocess"),
        Owner::Asyncio(_) if function.starts_with("sock_") => Role::inner(function),
        Owner::Asyncio(_) if class == Some("Server") => {
            Role::outer(format!("Server.{}", function.trim_start_matches('_')))
        }
        Owner::Anyio => anyio_role(function, class),
        _ => None,
    }
}

fn lock_role(function: &str, class: &str) -> Option<Role> {
    match (function, class) {
        (_, "Barrier") => Role::outer(class),
        ("acquire" | "wait" | "wait_for", _) => Role::inner(class),
        _ => None,
    }
}

fn queue_role(function: &str) -> Option<Role> {
    match function {
        "get" | "put" => Role::inner(format!("Queue.{function}")),
        "join" => Role::outer("Queue.join"),
        _ => None,
    }
}

fn task_role(function: &str) -> Option<Role> {
    match function {
        "sleep" | "wait_for" => Role::inner(function),
        "wait" | "_wait" => Role::inner("wait"),
        "_wait_for_one" => Role::outer("as_completed"),
        _ => None,
    }
}

fn stream_role(function: &str) -> Option<Role> {
    match function {
        "drain" | "_drain_helper" => Role::outer("stream drain"),
        "wait_closed" => Role::outer("stream close"),
        _ if function.starts_with("read") || function == "_wait_for_data" => {
            Role::outer("stream read")
        }
        _ => None,
    }
}

/// anyio's primitives stand on asyncio's or on futures of their own, and some have a thin outer class.
fn anyio_role(function: &str, class: Option<&str>) -> Option<Role> {
    if function == "run_sync_in_worker_thread" {
        return Role::outer("executor");
    }
    let class = class?.trim_end_matches("Adapter");
    match class {
        "Lock"
        | "Semaphore"
        | "Event"
        | "Condition"
        | "CapacityLimiter"
        | "MemoryObjectReceiveStream"
        | "MemoryObjectSendStream"
        | "TaskGroup"
        | "ResourceGuard" => Role::outer(format!("anyio.{class}")),
        _ => None,
    }
}
