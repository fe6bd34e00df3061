//! What a process is, has started and opened (Linux).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader};
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
    let mut inodes = sockets(pid);
    // It takes the kernel long to write a table: none is read for nobody.
    if inodes.is_empty() {
        return Vec::new();
    }
    let mut found = listening_unix(pid, &mut inodes);
    let tables = ["tcp", "tcp6"].into_iter().filter(|_| !inodes.is_empty());
    found.extend(tables.flat_map(|table| listening_tcp(pid, table, &inodes)));
    found
}

/// The inodes of the sockets of a process.
fn sockets(pid: i32) -> BTreeSet<String> {
    let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let inode = |file: fs::DirEntry| {
        let target = fs::read_link(file.path()).unwrap_or_default();
        Some(target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())
    };
    files.filter_map(inode).collect()
}

/// The paths on which a process listens; its Unix sockets are none that need be looked for any more.
fn listening_unix(pid: i32, inodes: &mut BTreeSet<String>) -> Vec<String> {
    let ours = rows(pid, "unix", PAGE).filter(|row| row.get(6).is_some_and(|inode| inodes.remove(inode)));
    let listening = ours.filter(|row| row.get(3).is_some_and(|flags| flags == "00010000"));
    listening.map(|row| format!("unix:{}", row.get(7).map_or("", String::as_str))).collect()
}

fn listening_tcp(pid: i32, table: &str, inodes: &BTreeSet<String>) -> Vec<String> {
    let listening = rows(pid, table, FEW).take_while(|row| row.get(3).is_some_and(|state| state == "0A"));
    let ours = listening.filter(|row| row.get(9).is_some_and(|inode| inodes.contains(inode)));
    ours.filter_map(|row| Some(format!("tcp:{}", address_of(row.get(1)?)?))).collect()
}

/// Bytes of a table of sockets that are read at once.
const PAGE: usize = 4 << 10;
/// The same of TCP, a few rows: listeners come first (Linux, Documentation/networking/proc_net_tcp.rst), and the kernel
/// takes long to write what may be thousands of connections behind them.
const FEW: usize = 600;

/// The rows of a table of sockets, in fields.
fn rows(pid: i32, table: &str, at_once: usize) -> impl Iterator<Item = Vec<String>> {
    let table = fs::File::open(format!("/proc/{pid}/net/{table}")).ok();
    let lines =
        table.into_iter().flat_map(move |table| BufReader::with_capacity(at_once, table).split(b'\n'));
    let fields =
        |line: Vec<u8>| String::from_utf8_lossy(&line).split_whitespace().map(str::to_owned).collect();
    lines.map_while(Result::ok).skip(1).map(fields)
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

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::net::{UnixListener, UnixStream};

    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn who_listens_is_found_among_those_who_are_connected() {
        let temp = tempfile::tempdir().expect("a folder");
        let path = temp.path().join("s.sock");
        let unix = UnixListener::bind(&path).expect("it is ours");
        let tcp: Vec<_> = (0..20).map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port")).collect();
        let addresses = tcp.iter().map(|tcp| tcp.local_addr().expect("it is bound"));
        let connected = addresses.clone().map(|to| TcpStream::connect(to).expect("it listens"));
        let connected: Vec<_> = connected.collect();
        let through_a_path = UnixStream::connect(&path).expect("it listens");

        let found = listening(i32::try_from(std::process::id()).expect("a process"));
        assert!(found.contains(&format!("unix:{}", path.display())), "{found:?}");
        assert!(addresses.clone().all(|at| found.contains(&format!("tcp:{at}"))), "{found:?}");
        let own = connected.iter().map(|stream| stream.local_addr().expect("it is connected"));
        assert!(!own.into_iter().any(|at| found.contains(&format!("tcp:{at}"))), "{found:?}");
        drop((unix, through_a_path));
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn addresses_of_the_kernels_tables() {
        let read = |text| address_of(text).map(|address| address.to_string()).unwrap_or_default();
        assert_eq!(read("0100007F:1F90"), "127.0.0.1:8080");
        assert_eq!(read("00000000000000000000000001000000:0050"), "[::1]:80");
        assert_eq!(read("0000:"), "");
    }
}
