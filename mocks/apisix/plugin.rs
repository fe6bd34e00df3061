//! The plugins of the conformance contract: what each does with a request, step by step.

use crate::actor::Payload;
use crate::codec::json;
use crate::datum::{Datum, Generated};

/// A plugin of a configuration, ready to run.
#[derive(Clone, Debug, PartialEq)]
pub struct Plugin {
    /// Its name.
    pub name: String,
    /// What it is told to do.
    pub conf: Datum,
}

/// What a plugin wants next.
#[derive(Clone, Debug, PartialEq)]
pub enum Wish {
    /// The next plugin's turn.
    Next,
    /// The request ends with this Stop.
    Stop(Datum),
    /// Answers to these questions, in their order.
    Ask(Vec<Question>),
    /// So many milliseconds, then the next plugin's turn.
    Wait(u64),
    /// It raises an error.
    Throw,
}

/// A question to the gateway.
#[derive(Clone, Debug, PartialEq)]
pub enum Question {
    /// For a variable.
    Var(String),
    /// For the request's body.
    Body,
}

impl Question {
    /// The message that asks it.
    pub fn message(&self) -> Datum {
        let info = match self {
            Self::Var(name) => Datum::map([("Var", Datum::map([("name", Datum::text(name))]))]),
            Self::Body => Datum::map([("ReqBody", Datum::map::<String>([]))]),
        };
        Datum::map([("type", Datum::text("ExtraInfo")), ("info", info)])
    }
}

/// Changes to a request that the plugins of a call have asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changes {
    path: Option<String>,
    headers: Vec<(String, Option<Vec<u8>>)>,
    args: Vec<(String, Option<Vec<u8>>)>,
}

impl Changes {
    /// Sets a header.
    pub fn set_header(&mut self, name: String, value: Vec<u8>) {
        self.headers.push((name, Some(value)));
    }

    /// A mutant: removes a header.
    pub fn drop_header(&mut self, name: &str) {
        self.headers.push((name.to_owned(), None));
    }

    /// A mutant: sets every argument and header to its first value, as who keeps them in a map would.
    pub fn flatten(&mut self, call: &Datum) {
        for (key, into) in [("headers", &mut self.headers), ("args", &mut self.args)] {
            let entries = call.get(key).and_then(Datum::as_array).unwrap_or_default();
            for entry in entries {
                let text = |key: &str| entry.get(key).and_then(Datum::as_text).map(|text| text.into_owned());
                let (Some(name), value) = (text("name"), text("value").unwrap_or_default()) else { continue };
                if !into.iter().any(|(known, _)| *known == name) {
                    into.push((name, Some(value.into_bytes())));
                }
            }
        }
    }

    /// The action of the reply, if there is anything to change.
    pub fn action(&self) -> Option<Datum> {
        let mut rewrite = Vec::new();
        if let Some(path) = &self.path {
            rewrite.push(("path", Datum::text(path)));
        }
        for (key, entries) in [("headers", &self.headers), ("args", &self.args)] {
            if !entries.is_empty() {
                rewrite.push((key, Datum::array(entries.iter().map(entry))));
            }
        }
        (!rewrite.is_empty()).then(|| Datum::map([("Rewrite", Datum::map(rewrite))]))
    }
}

/// A name with its value; one that is to go has none.
fn entry((name, value): &(String, Option<Vec<u8>>)) -> Datum {
    let mut fields = vec![("name", Datum::text(name))];
    if let Some(value) = value {
        let text = String::from_utf8(value.clone());
        fields.push(("value", text.map_or_else(|_| Datum::bytes(value.clone()), Datum::text)));
    }
    Datum::map(fields)
}

impl Plugin {
    /// Reads an entry of PrepareConf; `None` for a plugin that nobody knows, or a configuration that is none.
    pub fn read(entry: &Datum) -> Option<Self> {
        let name = entry.get("name")?.as_text()?.into_owned();
        let known = ["noop", "stop", "rewrite", "ask", "throw", "slow", "big", "response"];
        let conf = json::parse(entry.get("value")?.as_text()?.as_bytes()).ok()?;
        (known.contains(&name.as_str()) && conf.as_map().is_some()).then_some(Self { name, conf })
    }

    /// What it does with a request.
    pub fn run(&self, changes: &mut Changes) -> Wish {
        let number = |key: &str| self.conf.get(key).and_then(Datum::as_int).unwrap_or_default().max(0) as u64;
        match self.name.as_str() {
            "stop" => Wish::Stop(self.stop()),
            "rewrite" => {
                self.rewrite(changes);
                Wish::Next
            }
            "ask" => {
                let vars = self.texts("vars").into_iter().map(Question::Var);
                let body = self.conf.get("body").and_then(Datum::as_bool) == Some(true);
                Wish::Ask(vars.chain(body.then_some(Question::Body)).collect())
            }
            "throw" => Wish::Throw,
            "slow" => Wish::Wait(number("ms")),
            "big" => {
                let body = Datum::Gen(Generated::Text(number("size")));
                Wish::Stop(Datum::map([("status", Datum::from(200_u64)), ("body", bytes(&body))]))
            }
            _ => Wish::Next,
        }
    }

    /// What it does with the upstream's response, if it is one for responses.
    pub fn respond(&self) -> Option<Vec<(&'static str, Datum)>> {
        if self.name != "response" {
            return None;
        }
        let mut fields = self.status_and_headers();
        if let Some(body) = self.conf.get("body").and_then(Datum::as_text) {
            fields.push(("body", Datum::bytes(body.as_bytes())));
        }
        Some(fields)
    }

    /// What both kinds of response may say: their status and their headers.
    fn status_and_headers(&self) -> Vec<(&'static str, Datum)> {
        let mut fields = Vec::new();
        if let Some(status) = self.conf.get("status").filter(|status| status.as_int().is_some()) {
            fields.push(("status", status.clone()));
        }
        let headers = self.pairs("headers");
        if !headers.is_empty() {
            fields.push(("headers", Datum::array(headers.iter().map(entry))));
        }
        fields
    }

    fn stop(&self) -> Datum {
        let mut fields = self.status_and_headers();
        if let Some(body) = self.conf.get("body").and_then(Datum::as_text).filter(|body| !body.is_empty()) {
            fields.push(("body", Datum::bytes(body.as_bytes())));
        }
        Datum::map(fields)
    }

    fn rewrite(&self, changes: &mut Changes) {
        if let Some(path) = self.conf.get("path").and_then(Datum::as_text) {
            changes.path = Some(path.into_owned());
        }
        changes.headers.extend(self.pairs("headers"));
        changes.headers.extend(self.texts("drop_headers").into_iter().map(|name| (name, None)));
        changes.args.extend(self.pairs("args"));
        changes.args.extend(self.texts("drop_args").into_iter().map(|name| (name, None)));
    }

    fn texts(&self, key: &str) -> Vec<String> {
        let items = self.conf.get(key).and_then(Datum::as_array).unwrap_or_default();
        items.iter().filter_map(|item| item.as_text().map(|text| text.into_owned())).collect()
    }

    fn pairs(&self, key: &str) -> Vec<(String, Option<Vec<u8>>)> {
        let entries = self.conf.get(key).and_then(Datum::as_map).unwrap_or_default();
        let pair = |(name, value): &(Datum, Datum)| {
            Some((name.as_text()?.into_owned(), Some(value.as_text()?.as_bytes().to_vec())))
        };
        entries.iter().filter_map(pair).collect()
    }
}

/// A long text as the bytes of a body.
fn bytes(text: &Datum) -> Datum {
    match text {
        Datum::Gen(generated) => Datum::bytes(generated.to_vec()),
        other => other.clone(),
    }
}

/// A mutant: gives what is to go an empty value.
pub fn fill_values(table: &mut Datum) {
    let Datum::Map(fields, _) = table else { return };
    for (_, list) in fields {
        let Datum::Array(entries, _) = list else { continue };
        for entry in entries {
            let is_empty = entry.get("value").is_none();
            if let (Datum::Map(fields, _), true) = (entry, is_empty) {
                fields.push((Datum::text("value"), Datum::text("")));
            }
        }
    }
}

/// A mutant: loses a field.
pub fn without(table: &mut Datum, key: &str) {
    if let Datum::Map(fields, _) = table {
        fields.retain(|(name, _)| name.as_text().as_deref() != Some(key));
    }
}

/// A mutant: a frame that states only the lower two bytes of its length, where that is another one.
pub fn with_short_length(frame: &Payload) -> Option<Payload> {
    let mut bytes = frame.to_vec(&|_| None).ok()?;
    (bytes[1] > 0).then(|| {
        bytes[1] = 0;
        bytes.into()
    })
}

/// A mutant: a frame whose length does not fit, and wraps around.
pub fn wrapped_frame(message: &Datum) -> Vec<u8> {
    let body = message.get("action").and_then(|action| action.get("Stop")?.get("body")?.as_bytes());
    let length = body.as_ref().map_or(0, |body| body.len()) as u32;
    let mut bytes = (2 << 24 | (length & 0xff_ffff)).to_be_bytes().to_vec();
    bytes.extend(body.into_iter().flat_map(|body| body.into_owned()));
    bytes
}
