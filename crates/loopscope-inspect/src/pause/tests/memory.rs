//! What can be read while a target is held.

use super::support::Target;
use crate::dump::DumpMode;
use crate::pause::hold;

#[test]
fn a_stopped_target_does_not_change() {
    let target = Target::start("pause_work.py", &[]);
    for _ in 0..50 {
        let held = hold(target.pid(), DumpMode::Stop).unwrap();
        assert_eq!(held.memory_pid(), target.pid());
        let read = || {
            (
                target.counter(held.memory_pid(), 0),
                target.counter(held.memory_pid(), 1),
            )
        };
        let (first, second) = read();
        assert!(first - second <= 1, "{first} {second}");
        for _ in 0..20 {
            assert_eq!(read(), (first, second));
        }
        assert!(held.release().is_some());
    }
    target.assert_unharmed();
}

#[test]
fn a_snapshot_is_one_instant_while_the_target_works_on() {
    for arguments in [&[][..], &["sleeper"]] {
        let target = Target::start("pause_work.py", arguments);
        for _ in 0..50 {
            let held = hold(target.pid(), DumpMode::Snapshot).unwrap();
            let copy = held.memory_pid();
            assert_ne!(copy, target.pid());
            let (first, second) = (target.counter(copy, 0), target.counter(copy, 1));
            assert!(first - second <= 1, "{first} {second}");
            super::support::until("it works on", || target.counter(target.pid(), 0) > first);
            assert_eq!(target.counter(copy, 0), first);
            assert!(held.release().is_some());
            assert_eq!(super::support::children(target.pid()), Vec::<u32>::new());
        }
        target.assert_unharmed();
    }
}
