//! Forms with files: multipart/form-data (RFC 7578, over RFC 2046 section 5.1), as one value by part name.

use super::http1::{Fault, Fields};
use super::{Sink, scan};
use crate::actor::Payload;
use crate::datum::Datum;

/// The boundary that we write, where a scenario gives none.
pub const BOUNDARY: &str = "plugfest-5f1c0a7d9b3e4c62";

/// The Content-Type of a form with this boundary.
pub fn content_type(boundary: &str) -> String {
    format!("multipart/form-data; boundary={boundary}")
}

/// The boundary in a Content-Type; `None` if that is no form's.
pub fn boundary(content_type: &str) -> Option<String> {
    let (kind, params) = parameters(content_type);
    let is_form = kind.eq_ignore_ascii_case("multipart/form-data");
    params
        .into_iter()
        .find(|(name, value)| is_form && name == "boundary" && !value.is_empty())
        .map(|(_, b)| b)
}

/// Reads a whole form: a map by part name to `{filename?, type?, body, headers}`, repeats kept. A body is a text
/// if it has no file name and is UTF-8, else bytes.
///
/// # Errors
/// The first fault.
pub fn parse(boundary: &str, form: &[u8]) -> Result<Datum, Fault> {
    let dashes = format!("--{boundary}");
    let mut delimiter = match delimiter_at(form, 0, &dashes) {
        Some(first) => first,
        None => next_delimiter(form, 0, &dashes)
            .ok_or_else(|| Fault::new(0, "the boundary of the form is not in its body"))?,
    };
    let mut parts = Vec::new();
    while !delimiter.is_last {
        let start = delimiter.end;
        delimiter = next_delimiter(form, start.saturating_sub(2), &dashes)
            .ok_or_else(|| Fault::new(start, "the form ends inside a part"))?;
        parts.push(part(&form[..delimiter.start], start)?);
    }
    Ok(Datum::map(parts))
}

/// A line that separates parts.
struct Delimiter {
    /// Where its line starts, the line end before it included.
    start: usize,
    /// Behind its line end.
    end: usize,
    is_last: bool,
}

/// The first delimiter that follows a line end at `from` or later.
fn next_delimiter(form: &[u8], mut from: usize, dashes: &str) -> Option<Delimiter> {
    loop {
        let at = from + scan::find(form.get(from..)?, b'\r')?;
        if form[at..].starts_with(b"\r\n")
            && let Some(delimiter) = delimiter_at(form, at + 2, dashes)
        {
            return Some(Delimiter { start: at, ..delimiter });
        }
        from = at + 1;
    }
}

/// The delimiter whose dashes stand at `at`; spaces may follow the boundary.
fn delimiter_at(form: &[u8], at: usize, dashes: &str) -> Option<Delimiter> {
    let rest = form[at..].strip_prefix(dashes.as_bytes())?;
    if rest.starts_with(b"--") {
        return Some(Delimiter { start: at, end: form.len(), is_last: true });
    }
    let spaces = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let end = at + dashes.len() + spaces + 2;
    rest[spaces..].starts_with(b"\r\n").then_some(Delimiter { start: at, end, is_last: false })
}

/// The part from `start` up to the end of `form`.
fn part(form: &[u8], start: usize) -> Result<(String, Datum), Fault> {
    let whole = form.get(start..).unwrap_or_default();
    let (length, body) = split_head(whole).ok_or_else(|| Fault::new(start, "a part has no empty line"))?;
    let fields = Fields::parse(&whole[..length], start)?;
    let (_, params) = parameters(fields.get("content-disposition").unwrap_or_default());
    let param = |wanted: &str| params.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone());
    let name = param("name").ok_or_else(|| Fault::new(start, "a part has no name"))?;
    let filename = param("filename*").and_then(|value| extended(&value)).or_else(|| param("filename"));
    let body = match std::str::from_utf8(body) {
        Ok(text) if filename.is_none() => text.into(),
        _ => Datum::bytes(body),
    };
    let mut entries = Vec::new();
    entries.extend(filename.map(|filename| ("filename", filename.into())));
    entries.extend(fields.get("content-type").map(|kind| ("type", kind.into())));
    entries.extend([("body", body), ("headers", fields.datum())]);

    Ok((name, Datum::map(entries)))
}

/// The length of the fields, and what follows their empty line.
fn split_head(part: &[u8]) -> Option<(usize, &[u8])> {
    if let Some(body) = part.strip_prefix(b"\r\n") {
        return Some((0, body));
    }
    let end = part.windows(4).position(|window| window == b"\r\n\r\n")?;
    Some((end + 2, &part[end + 4..]))
}

/// The value of a field and its parameters, names in lower case (RFC 9110 section 5.6.6).
fn parameters(value: &str) -> (&str, Vec<(String, String)>) {
    let (kind, mut rest) = value.split_once(';').unwrap_or((value, ""));
    let mut params = Vec::new();
    while let Some((name, value)) = rest.split_once('=') {
        let (value, after) = parameter(value.trim_start());
        params.push((name.trim().trim_start_matches(';').trim().to_ascii_lowercase(), value));
        rest = after.split_once(';').map_or("", |(_, after)| after);
    }
    (kind.trim(), params)
}

/// A token, or a quoted text in which a backslash quotes only `"` and `\` (names of files hold others).
fn parameter(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(';').unwrap_or(text.len());
        return (text[..end].trim().to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return (value, &quoted[at + 1..]),
            '\\' if quoted[at + 1..].starts_with(['"', '\\']) => value.extend(chars.next().map(|(_, c)| c)),
            other => value.push(other),
        }
    }
    (value, "")
}

/// `UTF-8''%c3%9f` (RFC 8187).
fn extended(value: &str) -> Option<String> {
    let (charset, rest) = value.split_once('\'')?;
    let (_, encoded) = rest.split_once('\'')?;
    if !charset.eq_ignore_ascii_case("utf-8") {
        return None;
    }
    let mut bytes = Vec::new();
    let mut rest = encoded.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        bytes.push(match byte {
            b'%' => {
                let (digits, after) = rest.split_at_checked(2)?;
                rest = after;
                u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?
            }
            other => *other,
        });
    }
    String::from_utf8(bytes).ok()
}

/// One part to write.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Part {
    /// Its name.
    pub name: String,
    /// The name of its file, if it is one.
    pub filename: Option<String>,
    /// Its Content-Type, if it says one.
    pub kind: Option<String>,
    /// Further fields, as they are to be written.
    pub headers: Vec<(String, String)>,
    /// What it holds; a package stays a reference.
    pub body: Payload,
}

/// Appends a form.
pub fn write(parts: Vec<Part>, boundary: &str, out: &mut Payload) {
    for part in parts {
        let mut head = format!("--{boundary}\r\nContent-Disposition: form-data; name={}", quoted(&part.name));
        if let Some(filename) = &part.filename {
            head += &format!("; filename={}", quoted(filename));
        }
        if let Some(kind) = &part.kind {
            head += &format!("\r\nContent-Type: {kind}");
        }
        for (name, value) in &part.headers {
            head += &format!("\r\n{name}: {value}");
        }
        out.bytes(head.as_bytes());
        out.bytes(b"\r\n\r\n");
        out.append(part.body);
        out.bytes(b"\r\n");
    }
    out.bytes(format!("--{boundary}--\r\n").as_bytes());
}

fn quoted(text: &str) -> String {
    let plain = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", plain.replace('\r', "%0D").replace('\n', "%0A"))
}

/// The parts of a value of the shape that [`parse`] gives; in `headers`, what the part says elsewhere is passed over.
///
/// # Errors
/// What is not of that shape.
pub fn parts(datum: &Datum) -> Result<Vec<Part>, String> {
    let entries = datum.as_map().ok_or("a form is a map by part name")?;
    entries.iter().map(|(name, value)| part_of(name, value)).collect()
}

fn part_of(name: &Datum, value: &Datum) -> Result<Part, String> {
    let name = name.as_text().ok_or("the name of a part is a text")?.into_owned();
    let text = |key: &str| value.get(key).and_then(Datum::as_text).map(|text| text.into_owned());
    let mut body = Payload::default();
    write_body(value.get("body").ok_or_else(|| format!("the part {name} has no body"))?, &mut body)?;
    let headers = value.get("headers").and_then(Datum::as_map).unwrap_or_default().iter();
    let headers =
        headers.filter_map(|(key, value)| Some((key.as_text()?.into_owned(), value.as_inserted()?)));
    let is_said = |key: &str| ["content-disposition", "content-type"].contains(&&*key.to_ascii_lowercase());

    Ok(Part {
        filename: text("filename"),
        kind: text("type"),
        headers: headers.filter(|(key, _)| !is_said(key)).collect(),
        name,
        body,
    })
}

/// Appends a text or bytes as they are; long and packaged ones as references.
pub(super) fn write_body(datum: &Datum, out: &mut Payload) -> Result<(), String> {
    match datum {
        Datum::Package(name) => out.package(name),
        Datum::Gen(generated) => out.generated(generated),
        other => match (other.as_text(), other.as_bytes()) {
            (Some(text), _) => out.bytes(text.as_bytes()),
            (_, Some(bytes)) => out.bytes(&bytes),
            _ => return Err(format!("{} is neither text nor bytes", other.kind())),
        },
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::{FutureExt, stream};
    use proptest::prelude::*;

    use super::*;
    use crate::strategy::http::{any_form, near_form};

    type Shown = (String, Option<String>, Vec<u8>);

    fn shown(form: &Datum) -> Vec<Shown> {
        let parts = form.as_map().unwrap_or_default().iter().map(|(name, part)| {
            let text = |datum: &Datum| datum.as_text().map(|text| text.into_owned());
            let body = part.get("body").expect("a body");
            let bytes = body.as_bytes().map(|bytes| bytes.into_owned());
            let bytes = bytes.or_else(|| text(body).map(String::into_bytes));
            (text(name).unwrap(), part.get("filename").and_then(text), bytes.unwrap())
        });
        parts.collect()
    }

    fn oracle(boundary: &str, form: &[u8]) -> Result<Vec<Shown>, multer::Error> {
        let whole = stream::iter([Ok::<_, Infallible>(form.to_vec())]);
        let mut form = multer::Multipart::new(whole, boundary);
        let read = async move {
            let mut parts = Vec::new();
            while let Some(field) = form.next_field().await? {
                let (name, filename) =
                    (field.name().map(str::to_owned), field.file_name().map(str::to_owned));
                parts.push((name.unwrap_or_default(), filename, field.bytes().await?.to_vec()));
            }
            Ok(parts)
        };
        read.now_or_never().expect("nothing is waited for")
    }

    proptest! {
        #[test]
        fn multer_reads_the_same(form in any_form("b1")) {
            prop_assert_eq!(shown(&parse("b1", &form).unwrap()), oracle("b1", &form).unwrap());
        }

        #[test]
        fn what_was_read_is_written(form in any_form("b1")) {
            let datum = parse("b1", &form).unwrap();
            let mut payload = Payload::default();
            write(parts(&datum).unwrap(), "b1", &mut payload);
            prop_assert_eq!(payload.to_vec(&|_| None).unwrap(), form);
        }

        #[test]
        fn no_form_panics(form in near_form("b1"), bytes in proptest::collection::vec(any::<u8>(), 0..60), text in ".{0,30}") {
            let _ = parse("b1", &form);
            let _ = parse("b1", &bytes);
            let _ = boundary(&format!("multipart/form-data;{text}"));
        }
    }

    #[test]
    fn a_form_by_name() {
        let form = b"preamble\r\n--B \r\nContent-Disposition: form-data; name=\"context\"; filename=\"a\\\"b.difypkg\"\r\nContent-Type: application/octet-stream\r\n\r\n\x00\xff\r\n--Bx\r\n--B\r\nContent-Disposition: form-data; name=verified\r\n\r\ntrue\r\n--B--\r\nepilogue";
        let datum = parse("B", form).unwrap();
        let context = datum.get("context").unwrap();
        assert_eq!(context.get("filename"), Some(&"a\"b.difypkg".into()));
        assert_eq!(context.get("type"), Some(&"application/octet-stream".into()));
        assert_eq!(context.get("body"), Some(&Datum::bytes(*b"\x00\xff\r\n--Bx")));
        let verified = r#"{"body": "true", "headers": {"content-disposition": "form-data; name=verified"}}"#;
        assert_eq!(datum.get("verified").unwrap().to_string(), verified);
    }

    #[test]
    fn file_names_of_all_kinds() {
        let filename = |value: &str| {
            let form = format!("--B\r\nContent-Disposition: form-data; name=\"n\"; {value}\r\n\r\n\r\n--B--");
            let datum = parse("B", form.as_bytes()).unwrap();
            datum.get("n").unwrap().get("filename").map(|name| name.as_text().unwrap().into_owned())
        };
        assert_eq!(filename(r#"filename="C:\dir\f;x""#).as_deref(), Some(r"C:\dir\f;x"));
        assert_eq!(filename("filename=plain").as_deref(), Some("plain"));
        assert_eq!(filename("filename=\"x\"; filename*=UTF-8''%c3%9f").as_deref(), Some("ß"));
        assert_eq!(filename("filename=\"x\"; filename*=latin1''%df").as_deref(), Some("x"));
        assert_eq!(filename("filename=\"open").as_deref(), Some("open"));
        assert_eq!(filename(""), None);
    }

    #[test]
    fn faults_have_words() {
        let reason = |form: &[u8]| parse("B", form).unwrap_err().reason;
        assert_eq!(reason(b"--C\r\n\r\n--C--"), "the boundary of the form is not in its body");
        assert_eq!(
            reason(b"--B\r\nContent-Disposition: form-data; name=a\r\n\r\nx"),
            "the form ends inside a part"
        );
        assert_eq!(reason(b"--B\r\n\r\nx\r\n--B--"), "a part has no name");
        assert_eq!(reason(b"--B\r\nname: a\r\n--B--"), "a part has no empty line");
        assert_eq!(shown(&parse("B", b"--B--").unwrap()), []);
    }

    #[test]
    fn a_boundary_is_found() {
        assert_eq!(boundary("Multipart/Form-Data; charset=x; Boundary=\"a b\"").as_deref(), Some("a b"));
        assert_eq!(boundary(&content_type(BOUNDARY)).as_deref(), Some(BOUNDARY));
        assert_eq!(boundary("multipart/mixed; boundary=a"), None);
        assert_eq!(boundary("multipart/form-data"), None);
    }

    #[test]
    fn a_package_stays_a_reference() {
        let mut body = Payload::default();
        body.package("good");
        let mut out = Payload::default();
        write(vec![Part { name: "context".into(), body, ..Part::default() }], "B", &mut out);
        assert_eq!(out.pieces().len(), 3);
    }
}
