//! `request = { method, path, headers, body }`: one HTTP request; with `form`, multipart.

use std::sync::Arc;

use super::raw::raw_bytes;
use super::{Made, Ran, StepAct};
use crate::actor::{Payload, Pieces};
use crate::codec::{Sink, json, multipart};
use crate::datum::{Bindings, Datum, Names, Pattern, mentioned};
use crate::package::shelf;
use crate::play::http::{Request as Outgoing, Sent};
use crate::play::stage::Stage;
use crate::scenario::table::Table;

#[derive(Debug)]
struct Request {
    url: Option<String>,
    method: String,
    path: String,
    headers: Headers,
    body: Body,
    form: Vec<FormPart>,
    split: Pieces,
}

impl StepAct for Request {
    fn run(&self, stage: &mut Stage<'_>) -> Ran {
        match self.outgoing(stage.bindings()) {
            Ok(outgoing) => stage.request(outgoing),
            Err(why) => Ran::Failed(why),
        }
    }

    fn names(&self, names: &mut Names) {
        let texts = [self.url.as_deref().unwrap_or("${url}"), &self.method, &self.path];
        texts.into_iter().for_each(|text| uses(text, names));
        self.headers.names(names);
        self.body.names(names);
        self.form.iter().for_each(|part| part.names(names));
    }

    fn makes<'a>(&'a self, on: Option<&'a str>) -> Option<Made<'a>> {
        on.map(|name| Made { name, like: None, codec: Some("http"), is_exchange: true })
    }
}

impl Request {
    fn outgoing(&self, bindings: &Bindings) -> Result<Outgoing, String> {
        let mut headers = self.headers.filled(bindings)?;
        let body = if self.form.is_empty() {
            self.body.sent(bindings)?
        } else {
            Sent::Whole(self.form_body(&mut headers, bindings)?)
        };
        Ok(Outgoing {
            url: self.url.as_ref().map(|url| filled(url, bindings)).transpose()?,
            method: filled(&self.method, bindings)?,
            path: filled(&self.path, &encoded(&self.path, bindings))?,
            headers,
            body,
            pieces: self.split.clone(),
        })
    }

    fn form_body(&self, headers: &mut Vec<(String, String)>, bindings: &Bindings) -> Result<Payload, String> {
        let given = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        let boundary = given.and_then(|(_, kind)| multipart::boundary(kind));
        let boundary = boundary.unwrap_or_else(|| multipart::BOUNDARY.into());
        if given.is_none() {
            headers.push(("Content-Type".into(), multipart::content_type(&boundary)));
        }
        let parts = self.form.iter().map(|part| part.part(bindings)).collect::<Result<Vec<_>, _>>()?;
        let mut body = Payload::default();
        multipart::write(parts, &boundary, &mut body);
        Ok(body)
    }
}

/// Headers with names to insert.
#[derive(Debug)]
pub(super) struct Headers(Vec<(String, String)>);

impl Headers {
    pub(super) fn read(table: &Table<'_>) -> Self {
        let pairs = table.table("headers").map(|table| table.every_text()).unwrap_or_default();
        Self(pairs.into_iter().map(|(name, value)| (name.text, value.text)).collect())
    }

    /// # Errors
    /// A name that is not bound.
    pub(super) fn filled(&self, bindings: &Bindings) -> Result<Vec<(String, String)>, String> {
        self.0.iter().map(|(name, value)| Ok((name.clone(), filled(value, bindings)?))).collect()
    }

    pub(super) fn names(&self, names: &mut Names) {
        self.0.iter().for_each(|(_, value)| uses(value, names));
    }
}

/// The body of a request or response.
#[derive(Debug)]
pub(super) enum Body {
    Nothing,
    Stream,
    /// A text or bytes as they are, any other value as JSON.
    Value(Pattern),
}

impl Body {
    pub(super) fn read(table: &Table<'_>) -> Self {
        match table.text("body") {
            None => Body::Nothing,
            Some(text) if text.text == "stream" => Body::Stream,
            Some(_) => table.closed_pattern("body").map_or(Body::Nothing, Body::Value),
        }
    }

    /// # Errors
    /// A name that is not bound, or a value that cannot be sent.
    pub(super) fn sent(&self, bindings: &Bindings) -> Result<Sent, String> {
        match self {
            Body::Nothing => Ok(Sent::Nothing),
            Body::Stream => Ok(Sent::Stream),
            Body::Value(pattern) => Ok(Sent::Whole(content(&pattern.value(bindings)?)?)),
        }
    }

    pub(super) fn names(&self, names: &mut Names) {
        if let Body::Value(pattern) = self {
            pattern.names(names);
        }
    }
}

/// A text or bytes as they are, any other value as JSON.
fn content(value: &Datum) -> Result<Payload, String> {
    if matches!(value.kind(), "text" | "bytes") {
        return raw_bytes(value);
    }
    let mut payload = Payload::default();
    json::encode(value, &mut payload)?;
    Ok(payload)
}

/// One part of a form.
#[derive(Debug)]
struct FormPart {
    name: String,
    filename: Option<String>,
    kind: Option<String>,
    holds: Holds,
}

#[derive(Debug)]
enum Holds {
    Text(String),
    Package(String),
    Bytes(Pattern),
}

impl FormPart {
    fn part(&self, bindings: &Bindings) -> Result<multipart::Part, String> {
        let mut body = Payload::default();
        let (mut filename, mut kind) = (self.filename.clone(), self.kind.clone());
        match &self.holds {
            Holds::Text(text) => body.bytes(filled(text, bindings)?.as_bytes()),
            Holds::Bytes(pattern) => body = raw_bytes(&pattern.value(bindings)?)?,
            Holds::Package(name) => {
                let name = filled(name, bindings)?;
                body.package(&name);
                filename = filename.or_else(|| shelf::filename_of(&name).map(str::to_owned));
                kind = kind.or_else(|| Some("application/octet-stream".into()));
            }
        }
        let filename = filename.map(|text| filled(&text, bindings)).transpose()?;

        Ok(multipart::Part { name: self.name.clone(), filename, kind, headers: Vec::new(), body })
    }

    fn names(&self, names: &mut Names) {
        uses(self.filename.as_deref().unwrap_or_default(), names);
        match &self.holds {
            Holds::Text(text) | Holds::Package(text) => uses(text, names),
            Holds::Bytes(pattern) => pattern.names(names),
        }
    }
}

fn form_part(table: &Table<'_>) -> Option<FormPart> {
    let (text, package) = (table.text("text"), table.text("package"));
    let bytes = table.closed_pattern("bytes");
    let holds = match (text, package, bytes) {
        (Some(text), None, None) => Some(Holds::Text(text.text)),
        (None, Some(name), None) => Some(Holds::Package(name.text)),
        (None, None, Some(pattern)) => Some(Holds::Bytes(pattern)),
        _ => {
            table.problem(table.span.clone(), "a part of a form holds one of text, package or bytes");
            None
        }
    };
    let part = FormPart {
        name: table.need_text("name").text,
        filename: table.text("filename").map(|text| text.text),
        kind: table.text("type").map(|text| text.text),
        holds: holds?,
    };
    table.finish();
    Some(part)
}

pub(super) fn read(table: &Table<'_>) -> Option<Arc<dyn StepAct>> {
    let inner = table.table("request")?;
    let request = Request {
        url: inner.text("url").map(|text| text.text),
        method: inner.text("method").map_or_else(|| "GET".into(), |text| text.text),
        path: inner.need_text("path").text,
        headers: Headers::read(&inner),
        body: Body::read(&inner),
        form: table.tables("form").iter().filter_map(form_part).collect(),
        split: super::send::split(table),
    };
    inner.finish();
    Some(Arc::new(request))
}

pub(super) fn filled(text: &str, bindings: &Bindings) -> Result<String, String> {
    bindings.insert_into(text).map_err(|name| format!("`{name}` is not bound"))
}

pub(super) fn uses(text: &str, names: &mut Names) {
    names.uses.extend(mentioned(text).into_iter().map(str::to_owned));
}

/// The names that a path mentions, percent-encoded (RFC 3986 section 2.3 leaves the unreserved).
fn encoded(path: &str, bindings: &Bindings) -> Bindings {
    let mut encoded = Bindings::default();
    for name in mentioned(path) {
        let Some(value) = bindings.get(name).and_then(Datum::as_inserted) else { continue };
        let byte = |byte: u8| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => (byte as char).to_string(),
            other => format!("%{other:02X}"),
        };
        encoded.set(name, value.bytes().map(byte).collect::<String>());
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_a_path_are_percent_encoded() {
        let mut bindings = Bindings::default();
        bindings.set("file", "a@b c.difypkg");
        let path = "/x?filename=${file}&y=@";
        assert_eq!(filled(path, &encoded(path, &bindings)).unwrap(), "/x?filename=a%40b%20c.difypkg&y=@");
    }

    #[test]
    fn texts_are_sent_as_they_are_and_values_as_json() {
        let bytes = |text: &str| {
            let value = Pattern::parse(text).unwrap().value(&Bindings::default()).unwrap();
            content(&value).unwrap().to_vec(&|_| None).unwrap()
        };
        assert_eq!(bytes(r#""pong""#), b"pong");
        assert_eq!(bytes("h'00ff'"), b"\x00\xff");
        assert_eq!(bytes(r#"{"a": [1, null]}"#), br#"{"a": [1, null]}"#);
    }
}
