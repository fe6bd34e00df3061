//! Where a body ends (RFC 9112 section 6), and the lines of chunked bodies (section 7.1).

use super::head::{Head, Start};

/// How the end of a body is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is no body.
    None,
    /// After that many bytes.
    Length(u64),
    /// By a chunk of length 0.
    Chunked,
    /// By the end of the stream.
    UntilClose,
}

/// The framing of the body behind a head; of a response, `method` is that of its request.
///
/// # Errors
/// Why nobody can know it.
pub fn framing(head: &Head, method: &str) -> Result<Framing, String> {
    let default = match head.start {
        Start::Request { .. } => Framing::None,
        Start::Response { status } if has_no_body(status, method) => return Ok(Framing::None),
        Start::Response { status } if is_tunnel(status, method) => return Ok(Framing::UntilClose),
        Start::Response { .. } => Framing::UntilClose,
    };
    let codings = head.fields.list("transfer-encoding");
    match &codings[..] {
        [] => length(head).map(|length| length.map_or(default, Framing::Length)),
        [coding] if coding == "chunked" && head.minor == 1 => Ok(Framing::Chunked),
        [coding] if coding == "chunked" => Err("HTTP/1.0 has no Transfer-Encoding".into()),
        _ => Err(format!("the Transfer-Encoding {:?} is not read", codings.join(", "))),
    }
}

fn has_no_body(status: u16, method: &str) -> bool {
    matches!(status, 100 | 102..=199 | 204 | 304) || method == "HEAD"
}

/// What follows is no HTTP any more.
fn is_tunnel(status: u16, method: &str) -> bool {
    status == 101 || (method == "CONNECT" && matches!(status, 200..=299))
}

/// A length may be repeated, but only the same.
fn length(head: &Head) -> Result<Option<u64>, String> {
    let values = head.fields.all("content-length").flat_map(|value| value.split(',')).map(str::trim);
    let mut length = None;
    for value in values {
        let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
        let number = value.parse().ok().filter(|_| is_number);
        let number = number.ok_or_else(|| format!("the Content-Length {value:?} is no length"))?;
        if length.is_some_and(|other| other != number) {
            return Err("there are two different values of Content-Length".into());
        }
        length = Some(number);
    }
    Ok(length)
}

/// The size in the first line of a chunk; its extensions are passed over. The line comes without CR LF.
///
/// # Errors
/// What is wrong with the line.
pub fn chunk_size(line: &[u8]) -> Result<u64, String> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (digits, extensions) = line.split_at(digits);
    if digits.is_empty() {
        return Err("a chunk does not start with its size in hexadecimal digits".into());
    }
    if !matches!(extensions.trim_ascii_start().first(), None | Some(b';')) {
        return Err("something that is no extension follows the size of a chunk".into());
    }
    if extensions.iter().any(|byte| super::field::is_control(*byte)) {
        return Err("a control character in the extensions of a chunk".into());
    }
    let text = std::str::from_utf8(digits).unwrap_or_default();
    u64::from_str_radix(text, 16).map_err(|_| "the size of a chunk does not fit into 64 bits".into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(bytes: &[u8], method: &str) -> Result<Framing, String> {
        let head = if bytes.starts_with(b"HTTP") { Head::response(bytes) } else { Head::request(bytes) };
        framing(&head.expect("a head"), method)
    }

    proptest! {
        #[test]
        fn httparse_reads_the_same_sizes(line in "[0-9a-fA-F]{0,18}( ?;[a-z=\"]{0,6}| |x)?") {
            let bytes = format!("{line}\r\n");
            let ours = chunk_size(line.as_bytes());
            match httparse::parse_chunk_size(bytes.as_bytes()) {
                Ok(httparse::Status::Complete((_, theirs))) if ours.is_ok() => prop_assert_eq!(ours, Ok(theirs)),
                Ok(_) => prop_assert!(line.is_empty() || line.starts_with([' ', ';']), "{:?}", ours),
                Err(_) => {}
            }
        }
    }

    #[test]
    fn each_way_to_end() {
        assert_eq!(of(b"GET / HTTP/1.1\r\n\r\n", ""), Ok(Framing::None));
        assert_eq!(of(b"POST / HTTP/1.1\r\nContent-Length: 5, 5\r\n\r\n", ""), Ok(Framing::Length(5)));
        assert_eq!(of(b"POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n", ""), Ok(Framing::Chunked));
        assert_eq!(of(b"HTTP/1.1 200 OK\r\n\r\n", "GET"), Ok(Framing::UntilClose));
        assert_eq!(of(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "HEAD"), Ok(Framing::None));
        assert_eq!(of(b"HTTP/1.1 304 -\r\nContent-Length: 5\r\n\r\n", "GET"), Ok(Framing::None));
        assert_eq!(of(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "CONNECT"), Ok(Framing::UntilClose));
        assert_eq!(of(b"HTTP/1.1 101 -\r\n\r\n", "GET"), Ok(Framing::UntilClose));
    }

    #[test]
    fn ways_that_nobody_can_know() {
        for head in [
            &b"POST / HTTP/1.1\r\nContent-Length: +5\r\n\r\n"[..],
            b"POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
            b"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
            b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
        ] {
            assert!(of(head, "").is_err(), "{head:?}");
        }
    }

    #[test]
    fn sizes_of_chunks() {
        assert_eq!(chunk_size(b"1aF ;a=b"), Ok(0x1af));
        assert_eq!(chunk_size(b"ffffffffffffffff"), Ok(u64::MAX));
        for line in [&b""[..], b"x", b"5x", b"10000000000000000", b"5;\r", b"-1"] {
            assert!(chunk_size(line).is_err(), "{line:?}");
        }
    }
}
