//! What a subject detached and stripped of the mark by which its case would know it: it comes to us when it loses its
//! parent, and ends with the run (Linux).

use std::collections::{BTreeMap, BTreeSet};

use rustix::io::Errno;
use rustix::process::{Pid, WaitId, WaitIdOptions, getpid, set_child_subreaper, waitid};

use super::table::{kill_all, pids, stat};

/// Those who take in what loses its parent below us.
#[derive(Clone)]
pub(crate) struct Orphanage {
    /// Children that we had before: whoever started us by `exec` may need them.
    known: BTreeSet<i32>,
}

impl Orphanage {
    /// Opens it, before the first subject is started.
    pub(crate) fn open() -> Self {
        let _ = set_child_subreaper(Some(getpid()));
        Self { known: ours(&BTreeSet::new()) }
    }

    /// Ends whoever is still there: what we started ourselves has ended, or is to.
    pub(crate) fn close(self) {
        kill_all(|| (ours(&self.known).into_iter().filter_map(Pid::from_raw).collect(), false));
    }
}

/// Our living descendants, without these and theirs. Who has no child at all need not read the whole table.
fn ours(without: &BTreeSet<i32>) -> BTreeSet<i32> {
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    if waitid(WaitId::All, look).is_err_and(|error| error == Errno::CHILD) {
        return BTreeSet::new();
    }
    let mut children: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    for pid in pids().filter(|pid| !without.contains(pid)) {
        if let [state, parent, ..] = stat(pid).as_slice()
            && state != "Z"
            && let Ok(parent) = parent.parse()
        {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found = BTreeSet::new();
    let mut next = vec![getpid().as_raw_nonzero().get()];
    while let Some(parent) = next.pop() {
        let own = children.remove(&parent).unwrap_or_default();
        found.extend(&own);
        next.extend(own);
    }
    found
}
