//! What a process is, has started and opened (Linux).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;

use rustix::process::Pid;

use super::table::{marked, stat};
use crate::actor::Inspect;
use crate::datum::Datum;

/// Processor time of each process when it was last looked at, in milliseconds.
pub(super) type Looks = BTreeMap<i32, u64>;

/// Looks at a process, or at the files of the case.
pub(super) fn look(
    what: Inspect,
    pid: Option<Pid>,
    marker: Option<&str>,
    dir: &Path,
    looks: &mut Looks,
) -> Datum {
    match what {
        Inspect::Files => {
            let mut files = Vec::new();
            list(dir, dir, &mut files);
            files.sort_by(|a, b| a.0.cmp(&b.0));
            Datum::map(files)
        }
        Inspect::Process => process(pid, marker, looks),
    }
}

fn list(root: &Path, folder: &Path, files: &mut Vec<(String, Datum)>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = path.strip_prefix(root).unwrap_or(&path).display().to_string();
        match entry.metadata() {
            Ok(meta) if meta.is_dir() => list(root, &path, files),
            Ok(meta) if meta.file_type().is_socket() => {
                let mode = format!("{:04o}", meta.permissions().mode() & 0o7777);
                files.push((name, Datum::map([("mode", Datum::text(mode))])));
            }
            Ok(meta) => files.push((name, Datum::from(meta.len()))),
            Err(_) => {}
        }
    }
}

fn process(pid: Option<Pid>, marker: Option<&str>, looks: &mut Looks) -> Datum {
    let own = pid.map(|pid| pid.as_raw_nonzero().get()).unwrap_or_default();
    let status = fs::read_to_string(format!("/proc/{own}/status")).unwrap_or_default();
    let is_zombie = field(&status, "State:").is_some_and(|state| state.starts_with('Z'));
    let alive = !status.is_empty() && !is_zombie;
    let kib = |name: &str| {
        let text = field(&status, name).and_then(|text| text.split_whitespace().next()?.parse::<u64>().ok());
        Datum::from(text.unwrap_or_default() * 1024)
    };
    let all: Vec<i32> =
        marker.map(marked).unwrap_or_default().iter().map(|pid| pid.as_raw_nonzero().get()).collect();
    let children = all
        .iter()
        .filter(|other| **other != own)
        .map(|pid| Datum::map([("pid", Datum::from(i64::from(*pid))), ("name", Datum::text(name_of(*pid)))]));
    let listening: BTreeSet<String> = all.iter().flat_map(|pid| listening(*pid)).collect();
    let cpu = cpu_millis(own);
    let busy = cpu.saturating_sub(looks.insert(own, cpu).unwrap_or_default());
    Datum::map([
        ("alive", Datum::from(alive)),
        ("zombie", Datum::from(is_zombie)),
        ("rss", kib("VmRSS:")),
        ("peak", kib("VmHWM:")),
        ("cpu_ms", Datum::from(cpu)),
        ("busy_ms", Datum::from(busy)),
        (
            "fds",
            Datum::from(fs::read_dir(format!("/proc/{own}/fd")).map_or(0, |entries| entries.count() as u64)),
        ),
        ("children", Datum::array(children)),
        ("listening", Datum::array(listening.into_iter().map(Datum::text))),
    ])
}

fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

fn name_of(pid: i32) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim().to_owned()
}

/// User and system time; the kernel counts hundredths of a second.
fn cpu_millis(pid: i32) -> u64 {
    let fields = stat(pid);
    let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<u64>().ok()).unwrap_or_default();
    (ticks(11) + ticks(12)) * 10
}

/// The addresses on which a process listens.
fn listening(pid: i32) -> Vec<String> {
    let mut inodes = BTreeSet::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten() {
        let target = fs::read_link(entry.path()).unwrap_or_default();
        let text = target.to_string_lossy().into_owned();
        inodes
            .extend(text.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']')).map(str::to_owned));
    }
    let mut found = Vec::new();
    for line in sockets(pid, "unix", &inodes).lines().skip(1) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let ours = fields.get(6).is_some_and(|inode| inodes.remove(*inode));
        if ours && fields.get(3).is_some_and(|flags| *flags == "00010000") {
            found.push(format!("unix:{}", fields.get(7).unwrap_or(&"")));
        }
    }
    for name in ["tcp", "tcp6"] {
        let listening = rows(&sockets(pid, name, &inodes), 3, "0A", 9, 1, &inodes);
        found.extend(listening.iter().filter_map(|address| Some(format!("tcp:{}", address_of(address)?))));
    }
    found
}

/// An address as the kernel's tables write it: words of 32 bits in the machine's order, then the port.
fn address_of(text: &str) -> Option<SocketAddr> {
    let (host, port) = text.split_once(':')?;
    let word = |at: usize| u32::from_str_radix(host.get(at..at + 8)?, 16).ok();
    let words = (0..host.len()).step_by(8).map(word).collect::<Option<Vec<_>>>()?;
    let bytes: Vec<u8> = words.into_iter().flat_map(u32::to_ne_bytes).collect();
    let host = match bytes.len() {
        4 => IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?),
        _ => IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?),
    };
    Some(SocketAddr::new(host, u16::from_str_radix(port, 16).ok()?))
}

/// A table of sockets, where any of these may be in it: it takes the kernel long to write one.
fn sockets(pid: i32, table: &str, inodes: &BTreeSet<String>) -> String {
    match inodes.is_empty() {
        true => String::new(),
        false => fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap_or_default(),
    }
}

/// The rows of a table of sockets in a state, for these inodes.
fn rows(
    text: &str,
    state_at: usize,
    state: &str,
    inode_at: usize,
    address_at: usize,
    inodes: &BTreeSet<String>,
) -> Vec<String> {
    let row = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let in_state = fields.get(state_at).is_some_and(|field| *field == state);
        let ours = fields.get(inode_at).is_some_and(|inode| inodes.contains(*inode));
        (in_state && ours).then(|| fields.get(address_at).map_or(String::new(), |field| (*field).to_owned()))
    };
    text.lines().skip(1).filter_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn addresses_of_the_kernels_tables() {
        let read = |text| address_of(text).map(|address| address.to_string()).unwrap_or_default();
        assert_eq!(read("0100007F:1F90"), "127.0.0.1:8080");
        assert_eq!(read("00000000000000000000000001000000:0050"), "[::1]:80");
        assert_eq!(read("0000:"), "");
    }
}
