//! Writing requests and responses, as pure functions: exactly what is given, and what the caller asks for.

use super::field::Fields;
use crate::actor::{Payload, Piece};
use crate::codec::Sink;
use crate::datum::Datum;

/// The length of a package, by its name.
pub type Lengths<'a> = &'a dyn Fn(&str) -> Option<u64>;

/// The head of `{method, path, headers}` or `{status, headers, reason?}`: exactly these headers, in this order. A
/// header set to "" is left out; a list is written as repeats.
///
/// # Errors
/// What is missing, or cannot stand in a head.
pub fn head_bytes(head: &Datum) -> Result<Vec<u8>, String> {
    render(head, &headers(head)?)
}

/// A whole request. Adds Host and, if there is a body, Content-Length, unless the head names them; a body whose
/// head names Transfer-Encoding is written as one chunk and the last.
///
/// # Errors
/// A head that cannot be written, or a package that `lengths` does not know.
pub fn request_bytes(
    head: &Datum,
    host: &str,
    body: Option<Payload>,
    lengths: Lengths<'_>,
) -> Result<Payload, String> {
    let host = (!names(head, "host")).then(|| ("Host".to_owned(), host.to_owned()));
    message_bytes(head, host, body, lengths)
}

/// A whole response. Adds Content-Length if there is a body (an empty one too), unless the head names it or
/// Transfer-Encoding. Without a body only the head is written: that is how a streamed one starts.
///
/// # Errors
/// A head that cannot be written, or a package that `lengths` does not know.
pub fn response_bytes(head: &Datum, body: Option<Payload>, lengths: Lengths<'_>) -> Result<Payload, String> {
    message_bytes(head, None, body, lengths)
}

/// One chunk. An empty payload gives no bytes, since a chunk of length 0 would be the last.
///
/// # Errors
/// The name of a package that `lengths` does not know.
pub fn chunk(payload: Payload, lengths: Lengths<'_>) -> Result<Payload, String> {
    let size = length(&payload, lengths)?;
    let mut out = Payload::default();
    if size > 0 {
        out.bytes(format!("{size:x}\r\n").as_bytes());
        out.append(payload);
        out.bytes(b"\r\n");
    }
    Ok(out)
}

/// The last chunk with its trailers.
pub fn last_chunk(trailers: &[(&str, &str)]) -> Vec<u8> {
    let lines: String = trailers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("0\r\n{lines}\r\n").into_bytes()
}

/// The length of a payload in bytes.
///
/// # Errors
/// The name of a package that `lengths` does not know.
pub fn length(payload: &Payload, lengths: Lengths<'_>) -> Result<u64, String> {
    let piece = |piece: &Piece| match piece {
        Piece::Bytes(blob) => Ok(blob.0.len() as u64),
        Piece::Gen(generated) => Ok(generated.len()),
        Piece::Package(name) => {
            lengths(name).ok_or_else(|| format!("the length of the package {name} is not known"))
        }
    };
    payload.pieces().iter().map(piece).sum()
}

/// The fields of a head that is to be written.
pub(super) fn fields(head: &Datum) -> Result<Fields, String> {
    let mut fields = Fields::default();
    headers(head)?.iter().for_each(|(name, value)| fields.push(name, value));
    Ok(fields)
}

fn message_bytes(
    head: &Datum,
    host: Option<(String, String)>,
    body: Option<Payload>,
    lengths: Lengths<'_>,
) -> Result<Payload, String> {
    let mut headers = headers(head)?;
    headers.splice(0..0, host);
    let is_coded = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("transfer-encoding"));
    if let Some(body) = &body
        && !is_coded
        && !names(head, "content-length")
    {
        headers.push(("Content-Length".into(), length(body, lengths)?.to_string()));
    }
    let mut out = Payload::from(render(head, &headers)?);
    match body {
        Some(body) if is_coded => {
            out.append(chunk(body, lengths)?);
            out.bytes(&last_chunk(&[]));
        }
        Some(body) => out.append(body),
        None => {}
    }
    Ok(out)
}

fn render(head: &Datum, headers: &[(String, String)]) -> Result<Vec<u8>, String> {
    let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    Ok(format!("{}\r\n{lines}\r\n", first_line(head)?).into_bytes())
}

/// Whether a head names a field, be it to leave it out.
fn names(head: &Datum, wanted: &str) -> bool {
    let headers = head.get("headers").and_then(Datum::as_map).unwrap_or_default();
    headers.iter().any(|(name, _)| name.as_text().is_some_and(|name| name.eq_ignore_ascii_case(wanted)))
}

fn first_line(head: &Datum) -> Result<String, String> {
    let part = |name: &str| -> Result<String, String> {
        let part = head.get(name).and_then(Datum::as_inserted);
        fit(part.ok_or_else(|| format!("a head needs a {name}"))?)
    };
    if head.get("method").is_some() {
        return Ok(format!("{} {} HTTP/1.1", part("method")?, part("path")?));
    }
    let status = part("status").map_err(|_| "a head needs a method and a path, or a status".to_owned())?;
    let reason = if head.get("reason").is_some() { part("reason")? } else { reason(&status).to_owned() };

    Ok(format!("HTTP/1.1 {status} {reason}"))
}

/// The usual reason of the statuses that plugin protocols use; of others none.
fn reason(status: &str) -> &'static str {
    match status {
        "100" => "Continue",
        "200" => "OK",
        "201" => "Created",
        "202" => "Accepted",
        "204" => "No Content",
        "302" => "Found",
        "307" => "Temporary Redirect",
        "400" => "Bad Request",
        "401" => "Unauthorized",
        "404" => "Not Found",
        "413" => "Content Too Large",
        "429" => "Too Many Requests",
        "500" => "Internal Server Error",
        "502" => "Bad Gateway",
        "503" => "Service Unavailable",
        _ => "",
    }
}

fn headers(head: &Datum) -> Result<Vec<(String, String)>, String> {
    let mut headers = Vec::new();
    let Some(given) = head.get("headers") else { return Ok(headers) };
    for (name, value) in given.as_map().ok_or("headers are a map")? {
        let name = name.as_text().ok_or("the name of a header is a text")?.into_owned();
        let (values, keeps_empty) = match value.as_array() {
            Some(values) => (values, true),
            None => (std::slice::from_ref(value), false),
        };
        for value in values {
            let value = value.as_inserted().ok_or_else(|| format!("the header {name} is no text"))?;
            if keeps_empty || !value.is_empty() {
                headers.push((fit(name.clone())?, fit(value)?));
            }
        }
    }
    Ok(headers)
}

fn fit(text: String) -> Result<String, String> {
    match text.contains(['\r', '\n']) {
        true => Err(format!("{text:?} would end a line of the head")),
        false => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn datum(notation: &str) -> Datum {
        crate::codec::json::parse(notation.as_bytes()).expect("JSON")
    }

    fn text(payload: Payload) -> String {
        String::from_utf8(payload.to_vec(&|_| Some(b"PACK".to_vec())).unwrap()).unwrap()
    }

    #[test]
    fn headers_are_written_as_given() {
        let head = datum(
            r#"{"status": 200, "headers": {"X-b": "1", "a": ["2", ""], "C": "", "d": 4}, "reason": "X"}"#,
        );
        let wanted = "HTTP/1.1 200 X\r\nX-b: 1\r\na: 2\r\na: \r\nd: 4\r\n\r\n";
        assert_eq!(String::from_utf8(head_bytes(&head).unwrap()).unwrap(), wanted);
    }

    #[test]
    fn a_request_gets_host_and_length() {
        let mut body = Payload::from(b"123".to_vec());
        body.package("good");
        let head = datum(r#"{"method": "POST", "path": "/", "headers": {"A": "1"}}"#);
        let request = request_bytes(&head, "h:1", Some(body.clone()), &|_| Some(4)).unwrap();
        assert_eq!(text(request), "POST / HTTP/1.1\r\nHost: h:1\r\nA: 1\r\nContent-Length: 7\r\n\r\n123PACK");

        let head = datum(
            r#"{"method": "POST", "path": "/", "headers": {"hOst": "", "Transfer-Encoding": "chunked"}}"#,
        );
        let request = request_bytes(&head, "h:1", Some(body.clone()), &|_| Some(4)).unwrap();
        assert_eq!(
            text(request),
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n7\r\n123PACK\r\n0\r\n\r\n"
        );
        assert!(request_bytes(&head, "h:1", Some(body), &|_| None).is_err());
    }

    #[test]
    fn a_response_without_a_body_is_a_head() {
        let head = datum(r#"{"status": 204}"#);
        assert_eq!(text(response_bytes(&head, None, &|_| None).unwrap()), "HTTP/1.1 204 No Content\r\n\r\n");
        let head = datum(r#"{"status": 299, "headers": {"Content-Length": ""}}"#);
        let response = response_bytes(&head, Some(b"x".to_vec().into()), &|_| None).unwrap();
        assert_eq!(text(response), "HTTP/1.1 299 \r\n\r\nx");
    }

    #[test]
    fn chunks_of_references() {
        let mut body = Payload::default();
        body.generated(&crate::datum::Generated::Bytes(1 << 40));
        let pieces = chunk(body, &|_| None).unwrap();
        assert_eq!(pieces.pieces().len(), 3);
        assert_eq!(pieces.pieces()[0], Piece::Bytes(crate::actor::Blob(b"10000000000\r\n".to_vec())));
        assert!(chunk(Payload::default(), &|_| None).unwrap().is_empty());
        assert_eq!(last_chunk(&[("X-Sum", "1")]), b"0\r\nX-Sum: 1\r\n\r\n");
    }

    #[test]
    fn what_cannot_stand_in_a_head_is_refused() {
        for head in [
            r#"{}"#,
            r#"{"method": "GET"}"#,
            r#"{"status": "200\r\n"}"#,
            r#"{"status": 200, "headers": [1]}"#,
            r#"{"status": 200, "headers": {"a": "b\nc"}}"#,
            r#"{"status": 200, "headers": {"a": null}}"#,
        ] {
            assert!(head_bytes(&datum(head)).is_err(), "{head}");
        }
    }
}
