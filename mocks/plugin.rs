//! A plugin that a reference really starts: unpacked, its requirements looked up in the environment of an
//! interpreter, then spoken to in session lines on its standard input and output.
//!
//! Source: langgenius/dify-plugin-daemon, bdb5642, internal/core/local_runtime, session_manager/session.go.

use std::collections::BTreeMap;

use crate::actor::{Act, Given, Payload, Target, WireId};
use crate::codec::json::parse;
use crate::codec::lines::Lines;
use crate::datum::Datum;
use crate::mocks::Acting;
use crate::mocks::encoded::json_line;
use crate::package::Files;

/// Exits with a reason where a requirement is not installed: nothing is fetched. Where neither `packaging` nor pip is
/// there, of the specifiers only `==` is understood.
const CHECK: &str = "
import re, sys
from importlib import metadata
try:
    from packaging.requirements import Requirement
except ImportError:
    try:
        from pip._vendor.packaging.requirements import Requirement
    except ImportError:
        Requirement = None

def look(line):
    if Requirement:
        wanted = Requirement(line)
        if wanted.marker and not wanted.marker.evaluate():
            return None
        there = metadata.version(wanted.name)
        return None if wanted.specifier.contains(there, prereleases=True) else there
    name = re.match(r'[A-Za-z0-9._-]+', line).group(0)
    wanted = re.search(r'==\\s*([^\\s;,]+)', line)
    there = metadata.version(name)
    return None if not wanted or wanted.group(1) == there else there

wrong = []
for line in sys.argv[1].splitlines():
    line = re.split(r'(?:^|\\s)#', line)[0].strip()
    if not line or line.startswith('-'):
        continue
    try:
        there = look(line)
    except metadata.PackageNotFoundError:
        wrong.append(line + ' is not installed')
    except Exception as error:
        wrong.append(line + ' cannot be read: ' + str(error))
    else:
        if there:
            wrong.append(line + ' is wanted, ' + there + ' is installed')
sys.exit('; '.join(wrong) or 0)
";

/// The command that looks at an environment.
pub(super) fn check(python: &str, requirements: &str) -> Vec<String> {
    [python, "-c", CHECK, requirements].map(str::to_owned).to_vec()
}

/// What a plugin says.
pub(super) enum Said {
    Alive,
    Chunk(u64, Datum),
    Fail(u64, Datum),
    End(u64),
    /// It calls back into Dify.
    Back(u64, Datum),
}

#[derive(Default)]
pub(super) struct Plugin {
    dir: String,
    /// The wire of its first start is the next number; each later one has the next again.
    before: u32,
    starts: u32,
    is_alive: bool,
    lines: Lines,
    /// Requests that wait for the first heartbeat.
    waiting: Vec<Payload>,
}

impl Plugin {
    /// A plugin in a folder of this name; its wires have the numbers after `before`.
    pub(super) fn new(given: &Given, name: &str, before: u32) -> Self {
        let temp = given.env.get("TMPDIR").map_or("/tmp", String::as_str);
        let own = given.values.get("pid").map_or("0", String::as_str);
        Self { dir: format!("{temp}/plugfest-{name}-{own}"), before, ..Self::default() }
    }

    fn wire(&self) -> WireId {
        WireId::own(self.before + self.starts)
    }

    pub(super) fn is(&self, wire: WireId) -> bool {
        self.starts > 0 && wire == self.wire()
    }

    pub(super) fn unpack(&self, files: &Files, out: &mut Acting<'_>) {
        let files = files.iter().map(|(path, content)| (path.clone(), Some(Payload::from(content.clone()))));
        out.act(Act::Store { dir: self.dir.clone(), files: files.collect() });
    }

    pub(super) fn launch(&mut self, python: &str, entrypoint: &str, out: &mut Acting<'_>) {
        self.starts += 1;
        self.is_alive = false;
        self.lines = Lines::default();
        let argv = [python, "-m", entrypoint].map(str::to_owned).to_vec();
        let env = BTreeMap::from([("INSTALL_METHOD".to_owned(), "local".to_owned())]);
        out.act(Act::Open {
            wire: self.wire(),
            to: Target::Spawn { argv, env, dir: Some(self.dir.clone()) },
        });
    }

    /// Ends it, and removes what was unpacked.
    pub(super) fn stop(&mut self, out: &mut Acting<'_>) {
        if self.starts > 0 {
            out.act(Act::Signal { wire: self.wire(), signal: 9 });
            out.act(Act::Remove { path: self.dir.clone() });
        }
    }

    pub(super) fn request(
        &mut self,
        session: u64,
        kind: &str,
        action: &str,
        body: &Datum,
        out: &mut Acting<'_>,
    ) {
        let own = [("user_id", "plugfest"), ("type", kind), ("action", action)];
        let given = body.as_map().unwrap_or_default().iter();
        let given = given.filter_map(|(key, value)| Some((key.as_text()?.into_owned(), value.clone())));
        let given = given.filter(|(key, _)| !own.iter().any(|(name, _)| name == key));
        let own = own.iter().map(|(key, value)| ((*key).to_owned(), Datum::text(*value)));
        let line = envelope(session, "request", Datum::map(own.chain(given)));
        match self.is_alive {
            true => out.write(self.wire(), line),
            false => self.waiting.push(line),
        }
    }

    /// There is no Dify behind this server.
    pub(super) fn refuse_back(&self, session: u64, request: &Datum, out: &mut Acting<'_>) {
        let id = text(request, "backwards_request_id");
        for (event, words) in [("error", "there is no Dify behind this server"), ("end", "")] {
            let data = Datum::map([
                ("backwards_request_id", Datum::text(id.clone())),
                ("event", Datum::text(event)),
                ("message", Datum::text(words)),
                ("data", Datum::map::<String>([])),
            ]);
            out.write(self.wire(), envelope(session, "backwards_response", data));
        }
    }

    pub(super) fn feed(&mut self, bytes: &[u8], out: &mut Acting<'_>) -> Vec<Said> {
        self.lines.feed(bytes);
        let mut said = Vec::new();
        while let Some((_, line)) = self.lines.next_line() {
            said.extend(parse(line).ok().and_then(|event| read(&event)));
        }
        if !self.is_alive && said.iter().any(|said| matches!(said, Said::Alive)) {
            self.is_alive = true;
            std::mem::take(&mut self.waiting).into_iter().for_each(|line| out.write(self.wire(), line));
        }
        said
    }
}

/// An event of the plugin; what is none of ours is passed over, as the deployed daemon does.
fn read(event: &Datum) -> Option<Said> {
    if text(event, "event") == "heartbeat" {
        return Some(Said::Alive);
    }
    let session = text(event, "session_id").parse().ok()?;
    let data = event.get("data").filter(|_| text(event, "event") == "session")?;
    let inner = data.get("data").cloned().unwrap_or(Datum::Null);
    match text(data, "type").as_str() {
        "stream" => Some(Said::Chunk(session, inner)),
        "error" => Some(Said::Fail(session, inner)),
        "end" => Some(Said::End(session)),
        "invoke" => Some(Said::Back(session, inner)),
        _ => None,
    }
}

/// A line to the plugin, with every key that the deployed daemon writes.
fn envelope(session: u64, event: &str, data: Datum) -> Payload {
    let null = |key| (key, Datum::Null);
    let message = Datum::map([
        ("session_id", Datum::text(session.to_string())),
        null("conversation_id"),
        null("message_id"),
        null("app_id"),
        null("endpoint_id"),
        null("context"),
        ("event", Datum::text(event)),
        ("data", data),
    ]);
    Payload::from(json_line(&message))
}

/// A text of a message; empty where there is none.
pub(super) fn text(message: &Datum, key: &str) -> String {
    message.get(key).and_then(Datum::as_text).unwrap_or_default().into_owned()
}
