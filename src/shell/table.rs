//! The table of processes: who is there, and ending who should not be (Linux).

use std::fs;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::MARKER;

/// How long killed processes may take to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(2);
/// How long a process may show no environment at all, as it does while it loads a program.
const LOADED_WITHIN: Duration = Duration::from_millis(100);

/// Everybody.
pub(super) fn pids() -> impl Iterator<Item = i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// What the kernel says of a process behind its name: its state, its parent and so on; nothing of one that is gone.
pub(super) fn stat(pid: i32) -> Vec<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name, in parentheses, may hold anything.
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    fields.split_whitespace().map(str::to_owned).collect()
}

/// Kills whoever is found until nobody is any more; `find` also tells whether somebody may still turn up.
pub(super) fn kill_all(find: impl Fn() -> (Vec<Pid>, bool)) {
    let begun = Instant::now();
    loop {
        let (found, may_turn_up) = find();
        for pid in &found {
            let _ = kill_process(*pid, Signal::KILL);
        }
        let waited = begun.elapsed();
        let wait_for_more =
            !found.is_empty() && waited < GONE_WITHIN || may_turn_up && waited < LOADED_WITHIN;
        if !wait_for_more {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Kills every process whose environment carries a marker that begins like this, and waits until
/// they are gone (Linux).
///
/// One look at the process table is not enough: a process that is just loading its program shows
/// no environment, and one that is marked may start another before it dies.
pub(crate) fn kill_marked(marker: &str) {
    kill_all(|| look(marker));
}

/// Every process whose environment carries a marker that begins like this (Linux).
pub(super) fn marked(marker: &str) -> Vec<Pid> {
    look(marker).0
}

/// The marked processes, and whether there is one of which that cannot be said yet.
fn look(marker: &str) -> (Vec<Pid>, bool) {
    let wanted = format!("{MARKER}={marker}");
    let (mut marked, mut loading) = (Vec::new(), false);
    for pid in pids() {
        let Ok(environ) = fs::read(format!("/proc/{pid}/environ")) else { continue };
        if environ.split(|byte| *byte == 0).any(|entry| entry.starts_with(wanted.as_bytes())) {
            marked.extend(Pid::from_raw(pid));
        }
        // A kernel thread and a zombie have no program either.
        loading |= environ.is_empty() && fs::read_link(format!("/proc/{pid}/exe")).is_ok();
    }
    (marked, loading)
}
