//! Heads of requests and responses (RFC 9112 sections 2 to 4).

use super::field::{Fault, Fields, is_control, is_token, text, trim_end};
use crate::datum::Datum;

/// The first line of a head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// `METHOD target HTTP/1.x`
    Request {
        /// The method, as it was written.
        method: String,
        /// The target, as it was written: nothing is decoded.
        target: String,
    },
    /// `HTTP/1.x status reason`; the reason means nothing and is dropped.
    Response {
        /// Three digits.
        status: u16,
    },
}

/// The head of a request or a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The first line.
    pub start: Start,
    /// x of `HTTP/1.x`.
    pub minor: u8,
    /// The fields.
    pub fields: Fields,
}

impl Head {
    /// Reads the head of a request, up to and with its empty line.
    ///
    /// # Errors
    /// The first fault.
    pub fn request(bytes: &[u8]) -> Result<Self, Fault> {
        let (line, length) = first_line(bytes)?;
        let parts: Vec<&[u8]> = line.splitn(3, |byte| *byte == b' ').collect();
        let [method, target, version] = parts[..] else {
            return Err(Fault::new(0, "the request line is not a method, a target and a version"));
        };
        if !is_token(method) {
            return Err(Fault::new(0, "the method is no token"));
        }
        if target.is_empty() {
            return Err(Fault::new(method.len() + 1, "the target is empty"));
        }
        let minor = minor(version, method.len() + target.len() + 2)?;
        let fields = fields(bytes, length)?;

        Ok(Self { start: Start::Request { method: text(method), target: text(target) }, minor, fields })
    }

    /// Reads the head of a response, up to and with its empty line.
    ///
    /// # Errors
    /// The first fault.
    pub fn response(bytes: &[u8]) -> Result<Self, Fault> {
        let (line, length) = first_line(bytes)?;
        let (version, rest) = match line.iter().position(|byte| *byte == b' ') {
            Some(space) => (&line[..space], &line[space + 1..]),
            None => (line, &b""[..]),
        };
        let minor = minor(version, 0)?;
        let status = status(rest).ok_or_else(|| {
            Fault::new(version.len(), "the status is not three digits, a space and a reason")
        })?;
        let fields = fields(bytes, length)?;

        Ok(Self { start: Start::Response { status }, minor, fields })
    }

    /// `{method, path, headers}` or `{status, headers}`.
    pub fn datum(&self) -> Datum {
        let headers = ("headers", self.fields.datum());
        match &self.start {
            Start::Request { method, target } => {
                Datum::map([("method", method.as_str().into()), ("path", target.as_str().into()), headers])
            }
            Start::Response { status } => Datum::map([("status", u64::from(*status).into()), headers]),
        }
    }

    /// Whether nothing follows this message on its connection (RFC 9112 section 9.3).
    pub fn closes(&self) -> bool {
        let options = self.fields.list("connection");
        let has = |wanted: &str| options.iter().any(|option| option == wanted);
        has("close") || (self.minor == 0 && !has("keep-alive"))
    }
}

/// The first line without its end, and its length with it.
fn first_line(bytes: &[u8]) -> Result<(&[u8], usize), Fault> {
    let length = bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |end| end + 1);
    let line = trim_end(&bytes[..length]);
    match line.iter().position(|byte| is_control(*byte)) {
        Some(at) => Err(Fault::new(at, "a control character in the first line")),
        None => Ok((line, length)),
    }
}

fn minor(version: &[u8], at: usize) -> Result<u8, Fault> {
    match version {
        b"HTTP/1.0" => Ok(0),
        b"HTTP/1.1" => Ok(1),
        other => Err(Fault::new(at, format!("the version {:?} is not read", text(other)))),
    }
}

fn status(rest: &[u8]) -> Option<u16> {
    let (digits, reason) = rest.split_at_checked(3)?;
    let is_status = digits.iter().all(u8::is_ascii_digit) && matches!(reason.first(), None | Some(b' '));
    is_status.then(|| digits.iter().fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0')))
}

/// All lines after the first, without the empty one.
fn fields(bytes: &[u8], start: usize) -> Result<Fields, Fault> {
    let block = &bytes[start..];
    let block = block.strip_suffix(b"\n").map_or(block, |block| block.strip_suffix(b"\r").unwrap_or(block));

    Fields::parse(block, start)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::codec::http1::FIELDS;
    use crate::strategy::http::{near_request_head, near_response_head};

    type Shown = (Vec<(String, String)>, u8);

    fn theirs(headers: &[httparse::Header<'_>], minor: Option<u8>) -> Shown {
        let shown = |header: &httparse::Header<'_>| {
            (header.name.to_ascii_lowercase(), text(header.value.trim_ascii()))
        };
        (headers.iter().map(shown).collect(), minor.expect("a version"))
    }

    fn ours(head: &Head) -> Shown {
        let fields = head.fields.iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        (fields.collect(), head.minor)
    }

    /// Httparse passes over empty lines before a head; here the codec does, before requests.
    fn starts_empty(bytes: &[u8]) -> bool {
        bytes.starts_with(b"\r") || bytes.starts_with(b"\n")
    }

    proptest! {
        #[test]
        fn httparse_reads_the_same_requests(bytes in near_request_head()) {
            let mut headers = [httparse::EMPTY_HEADER; FIELDS];
            let mut oracle = httparse::Request::new(&mut headers);
            let is_whole = oracle.parse(&bytes) == Ok(httparse::Status::Complete(bytes.len())) && !starts_empty(&bytes);
            if let (true, Ok(head)) = (is_whole, Head::request(&bytes)) {
                prop_assert_eq!(ours(&head), theirs(oracle.headers, oracle.version));
                let start = Start::Request { method: oracle.method.unwrap().into(), target: oracle.path.unwrap().into() };
                prop_assert_eq!(head.start, start);
            } else if is_whole {
                prop_assert!(false, "{:?}: {:?}", text(&bytes), Head::request(&bytes));
            }
        }

        #[test]
        fn httparse_reads_the_same_responses(bytes in near_response_head()) {
            let mut headers = [httparse::EMPTY_HEADER; FIELDS];
            let mut oracle = httparse::Response::new(&mut headers);
            let is_whole = oracle.parse(&bytes) == Ok(httparse::Status::Complete(bytes.len())) && !starts_empty(&bytes);
            if let (true, Ok(head)) = (is_whole, Head::response(&bytes)) {
                prop_assert_eq!(ours(&head), theirs(oracle.headers, oracle.version));
                prop_assert_eq!(head.start, Start::Response { status: oracle.code.unwrap() });
            } else if is_whole {
                prop_assert!(false, "{:?}: {:?}", text(&bytes), Head::response(&bytes));
            }
        }
    }

    #[test]
    fn faults_have_words_and_places() {
        let request = |bytes: &[u8]| Head::request(bytes).map_err(|fault| (fault.at, fault.reason));
        assert_eq!(request(b"GET /\r\n\r\n").unwrap_err().0, 0);
        assert_eq!(
            request(b"GET / HTTP/2.0\r\n\r\n"),
            Err((6, "the version \"HTTP/2.0\" is not read".into()))
        );
        assert_eq!(request(b"G@T / HTTP/1.1\r\n\r\n").unwrap_err().1, "the method is no token");
        assert_eq!(request(b"GET /a\rb HTTP/1.1\r\n\r\n").unwrap_err().0, 6);
        assert_eq!(Head::response(b"HTTP/1.1 20\r\n\r\n").unwrap_err().at, 8);
        assert_eq!(Head::response(b"HTTP/1.1 2000\r\n\r\n").unwrap_err().at, 8);
    }

    #[test]
    fn who_closes() {
        let closes = |bytes: &[u8]| Head::response(bytes).unwrap().closes();
        assert!(closes(b"HTTP/1.1 200 OK\r\nConnection: x, Close\r\n\r\n"));
        assert!(closes(b"HTTP/1.0 200\r\n\r\n"));
        assert!(!closes(b"HTTP/1.0 200\r\nConnection: keep-alive\r\n\r\n"));
        assert!(!closes(b"HTTP/1.1 200\r\n\r\n"));
    }
}
