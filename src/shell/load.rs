//! Load: one exchange again and again over several connections, by blocking threads, one each.
//!
//! It knows no protocol; what is sent, where a reply ends and whether it is right says an [`Exchange`].

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Barrier, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::socket::reason;

/// What a connection reads at once.
const READ: usize = 64 << 10;
/// The longest that a run lasts; what is not called until then is not called.
const LONGEST: Duration = Duration::from_secs(600);

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
    let start = Barrier::new(connections);
    let all = Mutex::new(Vec::with_capacity(connections));
    std::thread::scope(|scope| {
        for (nth, line) in lines.into_iter().enumerate() {
            let share = extent.calls / connections + usize::from(nth < extent.calls % connections);
            let (all, start, request) = (&all, &start, &request);
            scope.spawn(move || {
                let done = run(line, share, request, exchange, start);
                all.lock().unwrap_or_else(PoisonError::into_inner).push(done);
            });
        }
    });
    let mut measured = Measured { bytes: (request.len(), 0), ..Measured::default() };
    let mut span: Option<(Instant, Instant)> = None;
    for share in all.into_inner().unwrap_or_else(PoisonError::into_inner) {
        measured.latencies.extend(share.latencies);
        measured.failed += share.failed;
        measured.why = measured.why.or(share.why);
        measured.bytes.1 = measured.bytes.1.max(share.reply);
        let (from, to) = span.unwrap_or(share.span);
        span = Some((from.min(share.span.0), to.max(share.span.1)));
    }
    measured.seconds = span.map_or(0.0, |(from, to)| to.duration_since(from).as_secs_f64());
    measured.latencies.sort_unstable();
    Ok(measured)
}

/// What one connection did.
struct Share {
    latencies: Vec<u64>,
    failed: usize,
    why: Option<String>,
    span: (Instant, Instant),
    reply: usize,
}

/// The share of one connection; it ends where the connection does.
fn run(mut line: Line, calls: usize, request: &[u8], exchange: &dyn Exchange, start: &Barrier) -> Share {
    let mut latencies = Vec::with_capacity(calls);
    let (mut why, mut good) = (None, Vec::new());
    start.wait();
    let begun = Instant::now();
    let mut before = begun;
    for _ in 0..calls {
        let reply = match line.exchange(request, exchange) {
            Ok(reply) => reply,
            Err(reason) => {
                why = why.or(Some(reason));
                break;
            }
        };
        let now = Instant::now();
        // A reply that is byte for byte a good one needs no second look.
        match if reply == good { Ok(()) } else { exchange.judge(reply) } {
            Ok(()) => {
                latencies.push(u64::try_from((now - before).as_nanos()).unwrap_or(u64::MAX));
                if reply != good {
                    good = reply.to_vec();
                }
            }
            Err(reason) => why = why.or(Some(reason)),
        }
        before = now;
        if now - begun > LONGEST {
            why = why.or_else(|| Some(format!("stopped after {} s", LONGEST.as_secs())));
            break;
        }
    }
    let failed = calls - latencies.len();
    Share { latencies, failed, why, span: (begun, before), reply: good.len() }
}

/// A connection.
struct Line {
    stream: UnixStream,
    buffer: Vec<u8>,
}

impl Line {
    fn open(extent: &Extent) -> Result<Self, String> {
        let to = &extent.socket;
        let stream = UnixStream::connect(to)
            .map_err(|error| format!("cannot connect to {to}: {}", reason(to, &error)))?;
        let limit = Some(extent.timeout);
        stream.set_read_timeout(limit).map_err(|error| error.to_string())?;
        stream.set_write_timeout(limit).map_err(|error| error.to_string())?;
        Ok(Self { stream, buffer: vec![0; READ] })
    }

    /// Writes, then reads until the reply is there.
    fn exchange(&mut self, request: &[u8], exchange: &dyn Exchange) -> Result<&[u8], String> {
        self.stream.write_all(request).map_err(|error| told(&error))?;
        let mut filled = 0;
        loop {
            let length = exchange.length(&self.buffer[..filled]);
            match length {
                Some(length) if filled == length => return Ok(&self.buffer[..length]),
                Some(length) if filled > length => return Err("more came than one reply".into()),
                Some(length) if length > self.buffer.len() => self.buffer.resize(length, 0),
                _ => {}
            }
            match self.stream.read(&mut self.buffer[filled..]) {
                Ok(0) => return Err("the connection was closed in place of a reply".into()),
                Ok(count) => filled += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(told(&error)),
            }
        }
    }
}

fn told(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => "no reply came in time".into(),
        ErrorKind::BrokenPipe | ErrorKind::ConnectionReset => {
            "the connection was closed in place of a reply".into()
        }
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
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
