//! Load: one exchange again and again over several connections, which a thread for each core shares.
//!
//! It knows no protocol; what is sent, where a reply ends and whether it is right says an [`Exchange`].

mod caller;

use std::panic::resume_unwind;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use self::caller::{Caller, Line};
use crate::parallel::cores;

/// What is exchanged.
pub trait Exchange: Sync {
    /// Sent once, before everything else.
    fn first(&self) -> Vec<u8>;

    /// What is then sent again and again.
    ///
    /// # Errors
    /// The first reply does not allow it.
    fn request(&self, first_reply: &[u8]) -> Result<Vec<u8>, String>;

    /// How long a reply is that begins with these bytes, once they tell.
    fn length(&self, begin: &[u8]) -> Option<usize>;

    /// Whether a reply is right.
    ///
    /// # Errors
    /// Why it is not.
    fn judge(&self, reply: &[u8]) -> Result<(), String>;
}

/// How much of it.
#[derive(Clone, Debug)]
pub struct Extent {
    /// The path of the socket.
    pub socket: String,
    /// How many exchanges in all.
    pub calls: usize,
    /// Over how many connections.
    pub connections: usize,
    /// How long a reply may take.
    pub timeout: Duration,
}

/// What was measured.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// How long each good exchange took, in nanoseconds, in order.
    pub latencies: Vec<u64>,
    /// How many were not good, or never came to be.
    pub failed: usize,
    /// Why the first of them was not.
    pub why: Option<String>,
    /// From the first write to the last reply.
    pub seconds: f64,
    /// The bytes of a request and of the last good reply.
    pub bytes: (usize, usize),
}

impl Measured {
    /// How many good exchanges a second.
    pub fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.seconds.max(f64::MIN_POSITIVE)
    }

    /// The time within which this part of the good exchanges was done, in microseconds.
    pub fn within(&self, part: f64) -> f64 {
        let last = self.latencies.len().saturating_sub(1);
        let place = (part * self.latencies.len() as f64).ceil() as usize;
        self.latencies.get(place.saturating_sub(1).min(last)).map_or(0.0, |nanos| *nanos as f64 / 1000.0)
    }
}

/// Why nothing was measured.
#[derive(Clone, Debug)]
pub enum Unmeasured {
    /// Nobody could be reached.
    Unreached(String),
    /// The first exchange failed.
    Refused(String),
}

/// Measures.
///
/// # Errors
/// The socket cannot be reached, or the first exchange fails.
pub fn measure(exchange: &dyn Exchange, extent: &Extent) -> Result<Measured, Unmeasured> {
    let connections = extent.connections.clamp(1, extent.calls.max(1));
    let mut lines = Vec::with_capacity(connections);
    for _ in 0..connections {
        lines.push(Line::open(extent).map_err(Unmeasured::Unreached)?);
    }
    let first = lines[0].exchange(&exchange.first(), exchange);
    let reply = first.map_err(|why| Unmeasured::Refused(format!("the first exchange failed: {why}")))?;
    let request = exchange.request(reply).map_err(Unmeasured::Refused)?;
    let mut shares: Vec<Vec<Caller<'_>>> = Vec::new();
    shares.resize_with(connections.min(cores()), Vec::new);
    for (nth, line) in lines.into_iter().enumerate() {
        let calls = extent.calls / connections + usize::from(nth < extent.calls % connections);
        let share = nth % shares.len();
        shares[share].push(Caller::new(line, calls, &request, exchange));
    }
    let start = Barrier::new(shares.len());
    let done: Vec<Caller<'_>> = std::thread::scope(|scope| {
        let run = |share| scope.spawn(|| run(share, &start, extent.timeout));
        let running: Vec<_> = shares.into_iter().map(run).collect();
        let done = running.into_iter().map(|share| share.join().unwrap_or_else(|panic| resume_unwind(panic)));
        done.flatten().collect()
    });
    let mut measured = summed(done);
    measured.bytes.0 = request.len();
    Ok(measured)
}

/// What one thread does: whoever has a reply makes the next call, until none is left.
fn run<'a>(mut callers: Vec<Caller<'a>>, start: &Barrier, timeout: Duration) -> Vec<Caller<'a>> {
    start.wait();
    callers.iter_mut().for_each(Caller::begin);
    loop {
        let mut open: Vec<&mut Caller<'a>> =
            callers.iter_mut().filter(|caller| caller.is_calling()).collect();
        match &mut open[..] {
            [] => return callers,
            // One alone need not be asked whether it is ready: its read waits.
            [alone] => alone.take(),
            open => serve(open, timeout),
        }
    }
}

/// Waits until some have a reply, and takes these; whoever has waited too long ends.
fn serve(open: &mut [&mut Caller<'_>], timeout: Duration) {
    let mut streams: Vec<PollFd<'_>> =
        open.iter().map(|caller| PollFd::from_borrowed_fd(caller.line.fd(), PollFlags::IN)).collect();
    let polled = poll(&mut streams, Timespec::try_from(timeout).ok().as_ref());
    let came: Vec<bool> =
        streams.iter().map(|stream| polled.is_ok() && !stream.revents().is_empty()).collect();
    let now = Instant::now();
    for (caller, came) in open.iter_mut().zip(came) {
        if came {
            caller.take();
        } else if now.saturating_duration_since(caller.sent) >= timeout {
            caller.end(caller::LATE);
        }
    }
}

fn summed(callers: Vec<Caller<'_>>) -> Measured {
    let mut measured = Measured::default();
    let begun = callers.iter().map(|caller| caller.begun).min();
    let ended = callers.iter().map(|caller| caller.sent).max();
    measured.seconds = begun.zip(ended).map_or(0.0, |(begun, ended)| (ended - begun).as_secs_f64());
    for caller in callers {
        measured.failed += caller.calls - caller.latencies.len();
        measured.latencies.extend(caller.latencies);
        measured.why = measured.why.or(caller.why);
        measured.bytes.1 = measured.bytes.1.max(caller.good.len());
    }
    measured.latencies.sort_unstable();
    measured
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixListener;

    use super::*;

    /// Replies are four bytes; the third of each connection may be a wrong one.
    struct Four;

    impl Exchange for Four {
        fn first(&self) -> Vec<u8> {
            b"ping".to_vec()
        }

        fn request(&self, first_reply: &[u8]) -> Result<Vec<u8>, String> {
            Ok(first_reply.to_vec())
        }

        fn length(&self, begin: &[u8]) -> Option<usize> {
            (!begin.is_empty()).then_some(4)
        }

        fn judge(&self, reply: &[u8]) -> Result<(), String> {
            if reply == b"ping" { Ok(()) } else { Err("another reply".into()) }
        }
    }

    /// Echoes on every connection until its end; after so many bytes it answers with others, then closes.
    fn echo(listener: UnixListener, most: usize) {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let (mut stream, mut seen, mut buffer) = (stream, 0, [0; 4]);
                while stream.read_exact(&mut buffer).is_ok() {
                    seen += 1;
                    let reply = if seen == most { b"oops" } else { &buffer };
                    if seen > most || stream.write_all(reply).is_err() {
                        return;
                    }
                }
            });
        }
    }

    fn measured(most: usize) -> Measured {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join("s").display().to_string();
        let listener = UnixListener::bind(&socket).expect("it listens");
        std::thread::spawn(move || echo(listener, most));
        let extent = Extent { socket, calls: 103, connections: 4, timeout: Duration::from_secs(20) };
        measure(&Four, &extent).expect("it is measured")
    }

    #[test]
    fn every_exchange_counts_once() {
        let measured = measured(usize::MAX);
        assert_eq!((measured.latencies.len(), measured.failed, measured.bytes), (103, 0, (4, 4)));
        assert!(measured.rate() > 0.0 && measured.within(0.5) <= measured.within(1.0));
    }

    #[test]
    fn wrong_replies_and_ends_are_failures() {
        let measured = measured(10);
        // The first connection had the first exchange too: 8 good ones there, 9 on the three others.
        assert_eq!((measured.latencies.len(), measured.failed), (8 + 3 * 9, 103 - 35));
        assert!(measured.why.is_some());
    }

    #[test]
    fn silence_is_waited_for_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join("s").display().to_string();
        let listener = UnixListener::bind(&socket).expect("it listens");
        std::thread::spawn(move || {
            let mut streams: Vec<_> = listener.incoming().take(3).flatten().collect();
            let (mut buffer, first) = ([0; 4], &mut streams[0]);
            let _ = first.read_exact(&mut buffer).and_then(|()| first.write_all(&buffer));
            let _ = listener.accept(); // nobody comes: the connections stay open
        });
        let extent = Extent { socket, calls: 7, connections: 3, timeout: Duration::from_millis(50) };
        let measured = measure(&Four, &extent).expect("the first exchange was good");
        assert_eq!((measured.latencies.len(), measured.failed), (0, 7));
        assert_eq!(measured.why.as_deref(), Some("no reply came in time"));
    }

    #[test]
    fn nobody_there() {
        let extent = Extent {
            socket: "no-such-folder/s".into(),
            calls: 1,
            connections: 1,
            timeout: Duration::from_secs(1),
        };
        assert!(
            matches!(measure(&Four, &extent), Err(Unmeasured::Unreached(why)) if why.contains("nobody listens"))
        );
    }
}
