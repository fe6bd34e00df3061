//! From the package to the first client.

use std::collections::BTreeMap;

use super::{BUILTIN_START, CHECK, Client, LISTENER, Server, State};
use crate::actor::{Act, Address, CloseHow, EVERYBODY, Exit, Given, Value, WireId};
use crate::datum::Datum;
use crate::mocks::Acting;
use crate::mocks::dify_json::builtin::{self, Entry};
use crate::mocks::dify_json::message::{self};
use crate::mocks::plugin::{self};
use crate::package::{Archive, Files, Manifest};

impl Server {
    pub(super) fn opened_package(&mut self, value: &Value, out: &mut Acting<'_>) {
        let bytes = match value {
            Value::File(blob) => &blob.0,
            Value::Missing(why) if self.is("missing-file-is-runtime-error") => {
                return self.refuse("plugin runtime failed", why, out);
            }
            Value::Missing(why) => return self.refuse("read plugin file error", why, out),
            Value::Datum(_) => return,
        };
        let files = Archive::open(bytes).and_then(|mut archive| archive.files());
        self.files = match files {
            Ok(files) => files,
            Err(crate::package::Fault::Entry(_)) if self.is("damaged-entry-passes") => Files::new(),
            Err(fault) if self.is("corrupt-is-runtime-error") => {
                return self.refuse("plugin runtime failed", &fault.to_string(), out);
            }
            Err(fault) => return self.refuse("decode plugin file error", &fault.to_string(), out),
        };
        if let Err(why) = Manifest::read(&self.files)
            && !self.is("manifest-not-read")
            && !self.is("damaged-entry-passes")
        {
            let is_runtime = self.is("bad-manifest-is-runtime-error");
            let label = if is_runtime { "plugin runtime failed" } else { "get declaration error" };
            return self.refuse(label, &why, out);
        }
        self.catalogue = builtin::catalogue(&self.files);
        if self.is("banner-on-stdout") {
            out.print(b"dify plugin run\n".to_vec());
        }
        if !self.is("loading-not-told") {
            self.tell(WireId::STDIO, "info", "", "loading plugin", out);
        }
        if self.is("chatty-start") {
            self.tell(WireId::STDIO, "info", "", "nearly there", out);
        }
        self.check_environment(out);
    }

    /// The interpreter is there, and has what the plugin requires: nothing is installed.
    fn check_environment(&mut self, out: &mut Acting<'_>) {
        self.state = State::Checking;
        let requirements = self.files.get("requirements.txt").map(Vec::as_slice).unwrap_or_default();
        let argv = match (&self.settings.python, self.env.get("PYTHON_INTERPRETER_PATH")) {
            (Some(python), _) => plugin::check(python, &String::from_utf8_lossy(requirements)),
            (None, Some(python)) => vec![python.clone(), "--version".into()],
            (None, None) => return self.launch(out),
        };
        let to = crate::actor::Target::Spawn { argv, env: BTreeMap::new(), dir: None };
        out.act(Act::Open { wire: CHECK, to });
    }

    pub(super) fn launch(&mut self, out: &mut Acting<'_>) {
        self.state = State::Launching;
        self.complaint.clear();
        if let Some(python) = self.settings.python.clone() {
            out.wake(self.settings.patience);
            let entrypoint = Manifest::read(&self.files).map(|manifest| manifest.runner.entrypoint);
            self.plugin.unpack(&self.files, out);
            return self.plugin.launch(&python, &entrypoint.unwrap_or_default(), out);
        }
        match builtin::entry(self.main()) {
            Entry::Exits(_) if self.is("death-at-start-is-ready") => self.serve(out),
            Entry::Exits(status) => {
                let why = format!("the plugin ended with status {status} before it was ready");
                self.refuse("plugin runtime failed", &why, out);
            }
            Entry::Silent if !self.is("manifest-not-read") => out.wake(self.settings.patience),
            Entry::Silent | Entry::Serves => out.wake(out.now + BUILTIN_START),
        }
    }

    pub(super) fn main(&self) -> &[u8] {
        self.files.get("main.py").map(Vec::as_slice).unwrap_or_default()
    }

    /// `-m` says nothing that there is.
    pub(super) fn refuse_mode(&mut self, out: &mut Acting<'_>) {
        let mode = self.settings.unknown_mode.clone().unwrap_or_default();
        self.refuse("invalid run mode", &format!("`{mode}` is neither stdio nor tcp"), out);
    }

    pub(super) fn serve(&mut self, out: &mut Acting<'_>) {
        if self.settings.unknown_mode.is_some() {
            return self.refuse_mode(out);
        }
        self.state = State::Serving;
        self.leave_behind(out);
        if self.settings.over_tcp {
            let at = Address::Tcp(self.settings.listen.clone());
            out.act(Act::Listen { wire: LISTENER, at, over_stale: false, mode: EVERYBODY });
            return;
        }
        self.ready(WireId::STDIO, out);
        self.read_lines(WireId::STDIO, out);
        self.part_if_idle(WireId::STDIO, out);
    }

    /// The mutants that forget what they started or unpacked.
    fn leave_behind(&self, out: &mut Acting<'_>) {
        if self.is("plugin-left-behind") {
            let argv = ["sleep", "60"].map(str::to_owned).to_vec();
            let to = crate::actor::Target::Spawn { argv, env: BTreeMap::new(), dir: None };
            out.act(Act::Open { wire: CHECK, to });
        }
        if self.is("folder-left-behind") {
            let given = Given { env: self.env.clone(), ..Given::default() };
            plugin::Plugin::new(&given, "left", 0).unpack(&self.files, out);
        }
    }

    fn ready(&mut self, client: WireId, out: &mut Acting<'_>) {
        if self.ready_told && (self.is("ready-once") || self.is("ready-for-the-first-only")) {
            return;
        }
        self.ready_told = true;
        if self.is("ready-twice") && client == WireId::STDIO {
            self.tell(client, "plugin_ready", "", "plugin loaded", out);
        }
        self.tell(client, "plugin_ready", "", "plugin loaded", out);
    }

    pub(super) fn listening(&mut self, at: &Address, out: &mut Acting<'_>) {
        let Address::Tcp(at) = at else { return };
        let Some((host, port)) = at.rsplit_once(':') else { return };
        let host = host.trim_matches(['[', ']']);
        let port = port.parse::<u64>().unwrap_or_default();
        let port = if self.is("wrong-port-announced") { port + 1 } else { port };
        let named = if self.is("port-not-named") { host.to_owned() } else { format!("{host}:{port}") };
        let response = Datum::map([
            ("info", Datum::text(format!("plugin is running on {named}"))),
            ("host", Datum::text(host)),
            ("port", Datum::from(port)),
        ]);
        out.print(message::line("", "info", response));
    }

    pub(super) fn accepted(&mut self, wire: WireId, out: &mut Acting<'_>) {
        self.clients.insert(wire, Client::default());
        if !self.is("ready-not-told") {
            self.ready(wire, out);
        }
    }

    /// The start has failed.
    pub(super) fn refuse(&mut self, label: &str, why: &str, out: &mut Acting<'_>) {
        let text =
            if self.is("label-behind") { format!("{why}\n{label}") } else { format!("{label}: {why}") };
        let id = if self.is("failed-start-has-an-id") { "0" } else { "" };
        out.print(message::error(id, &text));
        self.leave(if self.is("failed-start-status-zero") { 0 } else { 1 }, out);
    }

    pub(super) fn leave(&mut self, status: i32, out: &mut Acting<'_>) {
        self.state = State::Over;
        self.plugin.stop(out);
        out.close(WireId::STDIO, CloseHow::Write);
        out.exit(Exit::Code(status));
    }
}
