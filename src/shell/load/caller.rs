//! One of those who call.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use super::{Exchange, Extent};
use crate::shell::socket::reason;

/// What a connection reads at once.
const READ: usize = 64 << 10;
/// The longest that a run lasts; what is not called until then is not called.
const LONGEST: Duration = Duration::from_secs(600);
/// What is said of a call that had no reply.
pub(super) const LATE: &str = "no reply came in time";

/// A connection, and the calls that are made over it; it ends where the connection does.
pub(super) struct Caller<'a> {
    pub(super) line: Line,
    request: &'a [u8],
    exchange: &'a dyn Exchange,
    /// How many calls are its share, and how many of them were made.
    pub(super) calls: usize,
    made: usize,
    pub(super) begun: Instant,
    /// When the last call was sent, or the last reply had come.
    pub(super) sent: Instant,
    pub(super) latencies: Vec<u64>,
    pub(super) why: Option<String>,
    /// The last good reply.
    pub(super) good: Vec<u8>,
    has_ended: bool,
}

impl<'a> Caller<'a> {
    pub(super) fn new(line: Line, calls: usize, request: &'a [u8], exchange: &'a dyn Exchange) -> Self {
        let (begun, latencies) = (Instant::now(), Vec::with_capacity(calls));
        let (made, why, good, has_ended) = (0, None, Vec::new(), false);
        Self { line, request, exchange, calls, made, begun, sent: begun, latencies, why, good, has_ended }
    }

    pub(super) fn begin(&mut self) {
        self.begun = Instant::now();
        self.sent = self.begun;
        self.call();
    }

    fn call(&mut self) {
        if self.made == self.calls {
            self.has_ended = true;
        } else if let Err(why) = self.line.send(self.request) {
            self.end(&why);
        }
        self.made += 1;
    }

    pub(super) fn is_calling(&self) -> bool {
        !self.has_ended
    }

    /// Makes no more calls: why.
    pub(super) fn end(&mut self, why: &str) {
        self.why.get_or_insert_with(|| why.to_owned());
        self.has_ended = true;
    }

    /// Takes what has come; when it is a whole reply, the next call follows.
    pub(super) fn take(&mut self) {
        let reply = match self.line.read(self.exchange) {
            Ok(Some(length)) => &self.line.buffer[..length],
            Ok(None) => return,
            Err(why) => return self.end(&why),
        };
        let now = Instant::now();
        // A reply that is byte for byte a good one needs no second look.
        match if reply == self.good { Ok(()) } else { self.exchange.judge(reply) } {
            Ok(()) => {
                self.latencies.push(u64::try_from((now - self.sent).as_nanos()).unwrap_or(u64::MAX));
                if reply != self.good {
                    self.good = reply.to_vec();
                }
            }
            Err(why) => self.why = self.why.take().or(Some(why)),
        }
        self.sent = now;
        if now - self.begun > LONGEST {
            return self.end(&format!("stopped after {} s", LONGEST.as_secs()));
        }
        self.call();
    }
}

/// A connection.
pub(super) struct Line {
    stream: UnixStream,
    buffer: Vec<u8>,
    /// How much of it holds the reply that is under way.
    filled: usize,
}

impl Line {
    pub(super) fn open(extent: &Extent) -> Result<Self, String> {
        let to = &extent.socket;
        let stream = UnixStream::connect(to)
            .map_err(|error| format!("cannot connect to {to}: {}", reason(to, &error)))?;
        let limit = Some(extent.timeout);
        stream.set_read_timeout(limit).map_err(|error| error.to_string())?;
        stream.set_write_timeout(limit).map_err(|error| error.to_string())?;
        Ok(Self { stream, buffer: vec![0; READ], filled: 0 })
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    fn send(&mut self, request: &[u8]) -> Result<(), String> {
        self.filled = 0;
        self.stream.write_all(request).map_err(|error| told(&error))
    }

    /// Reads once; gives the length of the reply when it is whole.
    fn read(&mut self, exchange: &dyn Exchange) -> Result<Option<usize>, String> {
        match self.stream.read(&mut self.buffer[self.filled..]) {
            Ok(0) => return Err("the connection was closed in place of a reply".into()),
            Ok(count) => self.filled += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(told(&error)),
        }
        match exchange.length(&self.buffer[..self.filled]) {
            Some(length) if self.filled == length => return Ok(Some(length)),
            Some(length) if self.filled > length => return Err("more came than one reply".into()),
            Some(length) if length > self.buffer.len() => self.buffer.resize(length, 0),
            _ => {}
        }
        Ok(None)
    }

    /// Writes, then reads until the reply is there.
    pub(super) fn exchange(&mut self, request: &[u8], exchange: &dyn Exchange) -> Result<&[u8], String> {
        self.send(request)?;
        loop {
            if let Some(length) = self.read(exchange)? {
                return Ok(&self.buffer[..length]);
            }
        }
    }
}

fn told(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => LATE.into(),
        ErrorKind::BrokenPipe | ErrorKind::ConnectionReset => {
            "the connection was closed in place of a reply".into()
        }
        _ => error.to_string(),
    }
}
