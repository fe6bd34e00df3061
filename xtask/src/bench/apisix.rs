//! Calls per second of APISIX runners, as `plugfest mock apisix gateway --load` counts them.
//!
//! Two things: what the counting costs, beside a bare loop against the same peer, which answers recorded frames; and
//! our reference runner beside the one on the Go SDK. Where two ends share one core or have one each makes more
//! difference than anything else, so all processes of a figure are pinned to the same core, or none is.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use super::{Bench, Budget, Figure};
use crate::{Done, root};

/// An exchange that the runner on the Go SDK had with a scripted gateway.
const RECORDED: &str = "fixtures/apisix/wire/ok/go-0.5.0/12_call_noop.txt";
/// The runner on the Go SDK, once `cargo xtask test` has set it up.
const GO: &str = "fixtures/peers/apisix-go/build/runner";
const CALLS: usize = 20_000;
/// Rounds of both, in turns; the fastest counts.
const ROUNDS: usize = 5;
/// The counting may reach four fifths of a bare loop's calls: so much longer may a call take.
const COUNTED: f64 = 1.0 / 0.8;

pub(super) fn measure(bench: &Bench) -> Result<Vec<Figure>, String> {
    let everywhere = sched_getaffinity(None).map_err(|error| error.to_string())?;
    let first = (0..CpuSet::MAX_CPU).find(|cpu| everywhere.is_set(*cpu)).unwrap_or_default();
    let mut one = CpuSet::new();
    one.set(first);
    sched_setaffinity(None, &one).map_err(|error| error.to_string())?;
    let pinned = counted(bench).and_then(|figure| Ok([figure, served(bench, 1, "one core")?]));
    sched_setaffinity(None, &everywhere).map_err(|error| error.to_string())?;
    let [counted, alone] = pinned?;
    Ok(vec![counted, alone, served(bench, 8, "any core")?])
}

/// What the counting costs: the same peer, called by `--load` and by a bare loop.
fn counted(bench: &Bench) -> Result<Figure, String> {
    let socket = bench.folder.join("echo");
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut echo = Command::new(program);
    let _echo = Running::start(echo.arg("apisix-echo").arg(&socket), &socket)?;
    let (mut ours, mut bare) = (f64::MAX, f64::MAX);
    for _ in 0..ROUNDS {
        bare = bare.min(ping_pong(&socket)?);
        ours = ours.min(load(bench, &socket, 1)?);
    }
    Ok(Figure {
        what: "--load beside a bare loop, one connection, one core".into(),
        ours,
        bare: Some(bare),
        unit: "µs a call",
        budget: Budget::Times(COUNTED),
    })
}

/// Our reference runner beside that on the Go SDK.
fn served(bench: &Bench, connections: usize, where_: &str) -> Result<Figure, String> {
    let own = bench.folder.join(format!("own{connections}"));
    let go = bench.folder.join(format!("go{connections}"));
    let mut command = Command::new(&bench.program);
    let _own = Running::start(command.args(["mock", "apisix", "runner"]), &own)?;
    let mut command = Command::new(root().join(GO));
    let beside = root().join(GO).exists().then(|| Running::start(&mut command, &go)).transpose()?;
    let (mut ours, mut theirs) = (f64::MAX, f64::MAX);
    for _ in 0..ROUNDS {
        ours = ours.min(load(bench, &own, connections)?);
        if beside.is_some() {
            theirs = theirs.min(load(bench, &go, connections)?);
        }
    }
    Ok(Figure {
        what: format!("our runner beside that on the Go SDK, {connections} connections, {where_}"),
        ours,
        bare: beside.is_some().then_some(theirs),
        unit: "µs a call",
        budget: if beside.is_some() { Budget::Times(1.0) } else { Budget::Told },
    })
}

/// Microseconds a call, by `--load`.
fn load(bench: &Bench, socket: &Path, connections: usize) -> Result<f64, String> {
    let output = Command::new(&bench.program)
        .args(["mock", "apisix", "gateway", "--json", "--conf", "noop={}", "--load"])
        .arg(CALLS.to_string())
        .args(["--connections", &connections.to_string(), "--socket"])
        .arg(socket)
        .output()
        .map_err(|error| error.to_string())?;
    let told: serde_json::Value = serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("--load: {error}: {}", String::from_utf8_lossy(&output.stderr)))?;
    match (told["failed"].as_u64(), told["calls_per_second"].as_f64()) {
        (Some(0), Some(rate)) => Ok(1e6 / rate),
        _ => Err(format!("--load: {told}")),
    }
}

/// Microseconds a call, by a loop that does nothing else.
fn ping_pong(socket: &Path) -> Result<f64, String> {
    let [_, (call, reply)] = recorded()?;
    let failed = |error: std::io::Error| error.to_string();
    let mut stream = UnixStream::connect(socket).map_err(failed)?;
    let mut buffer = vec![0; reply.len()];
    let begun = Instant::now();
    for _ in 0..CALLS {
        stream.write_all(&call).map_err(failed)?;
        stream.read_exact(&mut buffer).map_err(failed)?;
    }
    Ok(begun.elapsed().as_secs_f64() * 1e6 / CALLS as f64)
}

/// A frame and its reply.
type Exchange = (Vec<u8>, Vec<u8>);

/// The recorded exchange: PrepareConf and the call, each with its reply.
fn recorded() -> Result<[Exchange; 2], String> {
    let path = root().join(RECORDED);
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let frames: Vec<Vec<u8>> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.rsplit(' ').next())
        .map(|hex| {
            let digits = hex.as_bytes().chunks_exact(2).filter_map(|pair| std::str::from_utf8(pair).ok());
            digits.filter_map(|pair| u8::from_str_radix(pair, 16).ok()).collect()
        })
        .collect();
    match <[Vec<u8>; 4]>::try_from(frames) {
        Ok([prepare, token, call, reply]) => Ok([(prepare, token), (call, reply)]),
        Err(frames) => Err(format!("{RECORDED} has {} frames, not 4", frames.len())),
    }
}

/// `cargo xtask apisix-echo SOCKET`: the bare peer. It answers each frame with the recorded reply to its type.
///
/// # Errors
/// The socket cannot be listened on.
pub(crate) fn echo(socket: &Path) -> Done {
    let replies = recorded()?;
    let listener = UnixListener::bind(socket).map_err(|error| error.to_string())?;
    for stream in listener.incoming().flatten() {
        let replies = replies.clone();
        std::thread::spawn(move || answer(stream, &replies));
    }
    Ok(0)
}

fn answer(mut stream: UnixStream, replies: &[(Vec<u8>, Vec<u8>); 2]) {
    let mut buffer = vec![0; 64 << 10];
    let mut filled = 0;
    while let Ok(count) = stream.read(&mut buffer[filled..]) {
        filled += count;
        let whole = |begin: &[u8]| {
            let [kind, high, middle, low] = *begin.first_chunk::<4>()?;
            let length = 4 + u32::from_be_bytes([0, high, middle, low]) as usize;
            (begin.len() >= length).then_some((kind, length))
        };
        while let Some((kind, length)) = whole(&buffer[..filled]) {
            let (_, reply) = &replies[usize::from(kind != 1)];
            if stream.write_all(reply).is_err() {
                return;
            }
            buffer.copy_within(length..filled, 0);
            filled -= length;
        }
        if count == 0 {
            return;
        }
    }
}

/// A process that serves a socket until we are done with it.
struct Running(Child);

impl Running {
    fn start(command: &mut Command, socket: &Path) -> Result<Self, String> {
        let child = command
            .env("APISIX_LISTEN_ADDRESS", format!("unix:{}", socket.display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| error.to_string())?;
        let running = Self(child);
        let begun = Instant::now();
        while UnixStream::connect(socket).is_err() {
            if begun.elapsed() > Duration::from_secs(10) {
                return Err(format!("nobody listens on {}", socket.display()));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(running)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
