//! What the acts of scenarios start: the subject, its driver, and operations; and the place holders of their commands.

use std::collections::BTreeMap;

use super::wire::WireCodec;
use super::{LaneSource, Ran, Stage};
use crate::actor::{Act, ActId, Part, Payload, Pieces, Target, WireId};
use crate::datum::{Bindings, Datum, Kind};
use crate::scenario::table::Text;
use crate::scenario::{Launch, Source};

impl Stage<'_> {
    /// Starts the subject, or a further process of it on this lane.
    ///
    /// # Errors
    /// A place holder of the command that has no value here.
    pub fn start(&mut self, launch: &Launch, further: bool) -> Result<ActId, String> {
        let script = self.play.script.clone();
        let base = if further { Launch::default() } else { script.launch.clone() };
        let args = launch.args.clone().or(base.args).unwrap_or_default();
        let package = launch.package.as_ref().or(script.launch.package.as_ref());
        if let Some(name) = package {
            let name = self.bindings().insert_into(name).map_err(|name| format!("`{name}` is not bound"))?;
            let path = self.package_file(&name);
            self.play.bindings.set("package", path);
        }
        let mut argv = match launch.mode.as_ref().or(script.launch.mode.as_ref()) {
            Some(mode) => {
                let mut bindings = self.bindings().clone();
                bindings.set("mode", mode.clone());
                fill(&script.subject.command, &bindings)?
            }
            None => self.filled(&script.subject.command)?,
        };
        for arg in &args {
            argv.push(self.inserted(arg)?);
        }
        if launch.parent || script.launch.parent {
            let own = self.bindings().get("self").and_then(Datum::as_inserted).unwrap_or_default();
            argv.splice(0..0, [own, "mock".to_owned(), crate::mocks::parent::NAME.to_owned()]);
        }
        let mut env = self.environment()?;
        for (key, value) in script.launch.env.iter().chain(&launch.env) {
            env.insert(key.clone(), self.inserted(value)?);
        }
        let lane = if further { self.lane } else { script.stdio_lane() };
        let files: Vec<(String, Text)> = script.launch.files.iter().chain(&launch.files).cloned().collect();
        self.store(&files)?;
        let wire = self.new_wire(lane, true);
        if !further {
            self.play.subject = Some(wire);
            self.play.starting();
        }
        let lane = script.lanes[self.lane].name.clone();
        self.play.chart.did(lane, &format!("start {}", argv.join(" ")));
        Ok(self.spawn(wire, argv, env))
    }

    /// Writes a package of the suites into the case's folder; gives its path.
    pub fn package_file(&mut self, name: &str) -> String {
        let dir = self.bindings().get("dir").and_then(Datum::as_inserted).unwrap_or_default();
        let file = format!("{name}.difypkg");
        if name != crate::package::shelf::MISSING {
            let mut bytes = Payload::default();
            bytes.package(name);
            self.act(Act::Store { dir: dir.clone(), files: BTreeMap::from([(file.clone(), Some(bytes))]) });
        }
        format!("{dir}/{file}")
    }

    fn store(&mut self, files: &[(String, Text)]) -> Result<(), String> {
        if files.is_empty() {
            return Ok(());
        }
        let mut stored = BTreeMap::new();
        for (path, content) in files {
            stored.insert(path.clone(), Some(Payload::from(self.inserted(content)?.into_bytes())));
        }
        self.act(Act::Store { dir: String::new(), files: stored });
        Ok(())
    }

    fn spawn(&mut self, wire: WireId, argv: Vec<String>, env: BTreeMap<String, String>) -> ActId {
        let act = self.act(Act::Open { wire, to: Target::Spawn { argv, env, dir: None } });
        if let Some(wire) = self.play.wires.get_mut(&wire) {
            wire.acts.push(act);
        }
        act
    }

    /// Starts the subject's driver.
    ///
    /// # Errors
    /// A place holder of its command that has no value here.
    pub fn start_driver(&mut self) -> Result<ActId, String> {
        let script = self.play.script.clone();
        let lane =
            script.lanes.iter().position(|lane| matches!(lane.source, LaneSource::Declared(Source::Driver)));
        let argv = self.filled(script.subject.driver.as_deref().unwrap_or_default())?;
        self.store(&script.launch.files)?;
        let wire = self.new_wire(lane.unwrap_or(0), true);
        self.play.driver = Some(wire);
        let env = self.environment()?;
        Ok(self.spawn(wire, argv, env))
    }

    /// Asks the subject's driver for an operation.
    pub fn trigger(&mut self, op: &str, fields: Vec<(String, Datum)>) -> Ran {
        let script = self.play.script.clone();
        if let Some(command) = script.subject.ops.get(op) {
            return self.trigger_by_command(command, fields);
        }
        if op == "cancel" && script.subject.driver.is_none() {
            return self.interrupt();
        }
        if script.subject.driver.is_none() {
            let page = format!("suites/{}/SUBJECT.md", script.subject.suite);
            return Ran::Failed(format!(
                "the subject has no driver and no [op.{op}] command; {page} says what one must do"
            ));
        }
        let driver =
            script.lanes.iter().position(|lane| matches!(lane.source, LaneSource::Declared(Source::Driver)));
        let Some(wire) = driver.and_then(|lane| self.play.lanes[lane].current) else { return Ran::NotYet };
        let id = self.play.next_operation;
        self.play.next_operation += 1;
        self.play.operations.insert(id, self.lane);
        let mut message = vec![("id".to_owned(), Datum::from(id)), ("op".to_owned(), Datum::text(op))];
        let known = ["peer", "url", "api_key", "upstream"]
            .into_iter()
            .filter(|name| !fields.iter().any(|(key, _)| key == name));
        for name in known {
            if let Some(value) = self.bindings().get(name) {
                message.push((name.to_owned(), value.clone()));
            }
        }
        message.extend(fields);
        let message = Datum::map(message);
        self.note_sent(&message);
        let mut payload = Payload::default();
        match self.encode(wire, Kind::Message, &message, &mut payload) {
            Ok(()) => self.write(wire, Part::Main, payload, Pieces::Whole),
            Err(why) => return Ran::Failed(why),
        }
        Ran::Done
    }

    /// An operation that is a command of its own; its last line of output is the answer.
    fn trigger_by_command(&mut self, command: &[String], fields: Vec<(String, Datum)>) -> Ran {
        let mut bindings = self.bindings().clone();
        for (key, value) in fields {
            let text = match value.as_text() {
                Some(text) => text.into_owned(),
                None => json_text(&value),
            };
            bindings.set(key, text);
        }
        let argv = match fill(command, &bindings) {
            Ok(argv) => argv,
            Err(why) => return Ran::Failed(why),
        };
        let wire = self.new_wire(self.lane, true);
        if let Some(wire) = self.play.wires.get_mut(&wire) {
            wire.codec = WireCodec::Plain(Box::new(crate::codec::lines::LastJsonLine::default()));
        }
        self.play.command = Some(wire);
        let env = self.play.script.subject.env.clone();
        Ran::Asked(self.spawn(wire, argv, env))
    }

    /// Stops the operation that is a command and under way, as a user would.
    fn interrupt(&mut self) -> Ran {
        const SIGINT: i32 = 2;
        match self.play.command {
            Some(wire) => {
                self.act(Act::Signal { wire, signal: SIGINT });
                Ran::Done
            }
            None => Ran::Failed("no operation is under way that could be stopped".into()),
        }
    }

    fn inserted(&self, text: &Text) -> Result<String, String> {
        self.bindings().insert_into(&text.text).map_err(|name| format!("`{name}` is not bound"))
    }

    /// The additions to the subject's environment, their place holders filled.
    fn environment(&self) -> Result<BTreeMap<String, String>, String> {
        let given = self.play.script.subject.env.iter();
        given.map(|(name, value)| Ok((name.clone(), fill_text(value, self.bindings())?))).collect()
    }

    fn filled(&self, command: &[String]) -> Result<Vec<String>, String> {
        fill(command, self.bindings())
    }
}

fn json_text(value: &Datum) -> String {
    let mut bytes = Vec::new();
    match crate::codec::json::encode(value, &mut bytes) {
        Ok(()) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(_) => value.to_string(),
    }
}

/// Fills the place holders of a command: `{socket}` inside an argument; an argument that is nothing but a place
/// holder of a list (`{peer}`) becomes all of the list.
///
/// # Errors
/// A place holder without a value.
fn fill(command: &[String], bindings: &Bindings) -> Result<Vec<String>, String> {
    let mut argv = Vec::new();
    for part in command {
        let name = part.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        match name.and_then(|name| bindings.get(name)) {
            Some(Datum::Array(items, _)) => argv.extend(items.iter().filter_map(Datum::as_inserted)),
            _ => argv.push(fill_text(part, bindings)?),
        }
    }
    Ok(argv)
}

/// The place holders of commands.
const PLACE_HOLDERS: [&str; 12] = [
    "profile",
    "package",
    "mode",
    "socket",
    "port",
    "url",
    "api_key",
    "peer",
    "peer_package",
    "upstream",
    "step",
    "input",
];

fn fill_text(text: &str, bindings: &Bindings) -> Result<String, String> {
    let mut filled = text.to_owned();
    for name in PLACE_HOLDERS {
        let holder = format!("{{{name}}}");
        if filled.contains(&holder) {
            let value = bindings.get(name).and_then(Datum::as_inserted);
            filled = filled.replace(
                &holder,
                &value.ok_or_else(|| format!("the place holder {holder} has no value here"))?,
            );
        }
    }
    Ok(filled)
}
