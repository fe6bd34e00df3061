//! What a subject detached and stripped of the mark by which its case would know it: it comes to us when it loses its
//! parent, and ends with the run (Linux).

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, getpid, kill_process, set_child_subreaper};

/// How long killed processes may take to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(2);

/// Those who take in what loses its parent below us.
pub(super) struct Orphanage {
    /// Children that we had before: whoever started us by `exec` may need them.
    known: BTreeSet<i32>,
}

impl Orphanage {
    /// Opens it, before the first subject is started.
    pub(super) fn open() -> Self {
        let _ = set_child_subreaper(Some(getpid()));
        Self { known: below(getpid(), &BTreeSet::new()) }
    }

    /// Ends whoever is still there; everything that we started ourselves has ended.
    pub(super) fn close(self) {
        let begun = Instant::now();
        loop {
            let left = below(getpid(), &self.known);
            if left.is_empty() || begun.elapsed() > GONE_WITHIN {
                return;
            }
            for pid in left.into_iter().filter_map(Pid::from_raw) {
                let _ = kill_process(pid, Signal::KILL);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// The living descendants of a process, without these and theirs.
fn below(root: Pid, without: &BTreeSet<i32>) -> BTreeSet<i32> {
    let mut children: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let pid = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok());
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        // the name, in parentheses, may hold anything
        let mut fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
        let (state, parent) = (fields.next(), fields.next().and_then(|parent| parent.parse().ok()));
        if let (Some(pid), Some(parent)) = (pid, parent)
            && state != Some("Z")
            && !without.contains(&pid)
        {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found = BTreeSet::new();
    let mut next = vec![root.as_raw_nonzero().get()];
    while let Some(parent) = next.pop() {
        let own = children.remove(&parent).unwrap_or_default();
        found.extend(&own);
        next.extend(own);
    }
    found
}
