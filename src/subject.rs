//! What is tested: a command, an address, and what is known of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time;

use crate::actor::Address;
use crate::play::parse_url;
use crate::scenario::Duration;
use crate::scenario::error::FileErrors;
use crate::scenario::table::{Document, Table};
use crate::secret::Secrets;
use crate::shell::tls::Client;

/// A subject: subject.toml, or what the command line says.
#[derive(Clone, Debug, Default)]
pub struct Subject {
    /// Its name in reports.
    pub name: String,
    /// The suite that judges it.
    pub suite: String,
    /// The side of the protocol that it plays.
    pub role: String,
    /// The profile that sets the exit code; the suite's default if `None`.
    pub profile: Option<String>,
    /// The command that starts it, with place holders; empty if something else does.
    pub command: Vec<String>,
    /// What no output may show.
    pub secrets: Secrets,
    /// The command of its driver.
    pub driver: Option<Vec<String>>,
    /// Operations that are commands of their own.
    pub ops: BTreeMap<String, Vec<String>>,
    /// What it declares.
    pub capabilities: BTreeSet<String>,
    /// The file of accepted findings.
    pub baseline: Option<String>,
    /// The modes that it has; all of the role's if empty.
    pub modes: Vec<String>,
    /// Its values of `[timing]`.
    pub timing: BTreeMap<String, Duration>,
    /// Additions to its environment.
    pub env: BTreeMap<String, String>,
    /// Where it runs, if we do not start it.
    pub attach: Option<Attach>,
    /// Headers of every request to it that does not have them.
    pub headers: BTreeMap<String, String>,
    /// The file of the certificates that are trusted for `https`, instead of the system's.
    pub ca_file: Option<String>,
    /// Whether any certificate will do.
    pub insecure: bool,
    /// What ends it where our signals do not reach it, as in a container: run after each case that started it, and at
    /// the end of the run where it is attached.
    pub stop: Vec<String>,
    /// The folder of its file; relative commands are looked up from there upwards.
    pub folder: Option<String>,
    /// Whether it is one of our references, of which nothing runs on once it has ended.
    pub is_ours: bool,
}

impl Subject {
    /// A subject that a command line names.
    pub fn of_command(suite: &str, role: &str, command: Vec<String>) -> Self {
        let name = command.join(" ");
        Self { name, suite: suite.into(), role: role.into(), command, ..Self::default() }
    }

    /// Reads a subject.toml.
    ///
    /// # Errors
    /// Everything that is wrong with the file.
    pub fn read(path: &Path) -> Result<Self, FileErrors> {
        let file = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|error| FileErrors::unreadable(&file, format!("cannot be read: {error}")))?;
        let mut subject = Self::parse(&file, &text)?;
        subject.name = path.file_stem().map_or(file, |stem| stem.to_string_lossy().into_owned());
        subject.folder = path.parent().map(|folder| folder.display().to_string());
        Ok(subject)
    }

    fn parse(file: &str, text: &str) -> Result<Self, FileErrors> {
        let document = Document::parse(file, text);
        let root = document.root();
        let words = |key| root.texts(key).into_iter().map(|text| text.text).collect::<Vec<_>>();
        let mut subject = Self {
            name: String::new(),
            suite: root.need_text("suite").text,
            role: root.need_text("role").text,
            profile: root.text("profile").map(|text| text.text),
            command: words("command"),
            secrets: secrets(&root),
            driver: root.has("driver").then(|| words("driver")),
            ops: root.named_tables("op").iter().map(|(name, table)| (name.text.clone(), op(table))).collect(),
            capabilities: words("capabilities").into_iter().collect(),
            baseline: root.text("baseline").map(|text| text.text),
            modes: words("modes"),
            timing: root.table("timing").map(|table| crate::scenario::timing(&table)).unwrap_or_default(),
            env: root.table("env").map(|table| texts(&table)).unwrap_or_default(),
            attach: root.text("attach").and_then(|text| attach(&root, &text)),
            headers: BTreeMap::new(),
            ca_file: root.text("ca_file").map(|text| text.text),
            insecure: root.flag("insecure").unwrap_or(false),
            stop: words("stop"),
            folder: None,
            is_ours: false,
        };
        if root.has("subject") {
            root.forget();
            let several =
                "a file describes one subject: its keys stand outside of any table; write a file for each";
            root.problem(root.key_span("subject"), several);
            return document.errors().map(|()| subject);
        }
        let started = !subject.command.is_empty();
        if !started && subject.driver.is_none() && subject.ops.is_empty() && !root.has("attach") {
            root.problem(
                root.span.clone(),
                "a subject has a `command`, a `driver`, an [op.NAME] with a `command`, or an `attach`",
            );
        }
        if started && root.has("attach") {
            root.problem(
                root.key_span("attach"),
                "`attach` is for a subject that runs already; this one has a `command`",
            );
        }
        if subject.attach.is_some() && subject.suite == "dify-sri" && !root.has("api_key") {
            root.problem(
                root.key_span("attach"),
                "the key is missing that it wants: write `api_key = \"..\"` or `api_key = { env = \"NAME\" }`",
            );
        }
        if let Some(table) = root.table("headers") {
            subject.headers = headers(&table, &mut subject.secrets);
        }
        let url = root.text("url").map(|text| text.text);
        subject.drive(url.as_deref(), &words("daemon"));
        let shown = starred(text, &root);
        root.finish();
        document.errors().map(|()| subject).map_err(|errors| FileErrors { text: shown, ..errors })
    }

    /// A built-in driver becomes a command; `url` and `api_key` are those of the API that it calls.
    fn drive(&mut self, url: Option<&str>, daemon: &[String]) {
        let Some(words) = &self.driver else { return };
        if words.first().map(String::as_str) != Some(crate::driver::DIFY_HTTP) {
            return;
        }
        let program = std::env::current_exe().map_or("plugfest".into(), |path| path.display().to_string());
        self.driver = Some(crate::driver::command(&program, words, url, daemon));
        if let Some(holder) = self.secrets.unname("api_key") {
            self.env.insert(crate::driver::KEY.into(), holder);
        }
        if let Some(holder) = self.secrets.unname("admin_key") {
            self.env.insert(crate::driver::ADMIN_KEY.into(), holder);
        }
    }

    /// The same subject with every relative path of its commands found: from here, or from its file upwards.
    pub fn located(self) -> Self {
        let find = |part: &String| self.locate(part);
        let command = self.command.iter().map(find).collect();
        let driver = self.driver.as_ref().map(|driver| driver.iter().map(find).collect());
        let ops = self
            .ops
            .iter()
            .map(|(name, command)| (name.clone(), command.iter().map(find).collect()))
            .collect();
        let stop = self.stop.iter().map(find).collect();
        let ca_file = self.ca_file.as_ref().map(find);
        Self { command, driver, ops, stop, ca_file, ..self }
    }

    /// A relative path, as it is found from here or from the folder of the subject's file upwards.
    pub fn locate(&self, part: &str) -> String {
        let relative = part.contains('/') && !part.starts_with('/') && !Path::new(part).exists();
        let folder = self.folder.as_deref().map(Path::new);
        let folder = folder.map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
        let absolute = folder.and_then(|folder| folder.canonicalize().ok());
        let found = absolute.iter().flat_map(|folder| folder.ancestors()).map(|folder| folder.join(part));
        let found = found.filter(|_| relative).find(|path| path.exists());
        found.map_or_else(|| part.to_owned(), |path| path.display().to_string())
    }

    /// Whether it declares a capability, by itself or by the group that it belongs to.
    pub fn has(&self, capability: &str) -> bool {
        let group = capability.split_once('.').map(|(group, _)| group);
        self.capabilities.contains(capability)
            || group.is_some_and(|group| {
                self.capabilities.contains(group) && !self.capabilities.contains(&format!("-{capability}"))
            })
    }

    /// How `https` is spoken with it, if it is.
    ///
    /// # Errors
    /// Its file of certificates cannot be read.
    pub fn tls(&self) -> Result<Option<Client>, String> {
        match &self.attach {
            Some(Attach::Url(url)) if url.starts_with("https://") => {
                Client::trusting(self.ca_file.as_deref(), self.insecure).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Whether a place holder occurs in one of its commands.
    pub fn takes(&self, holder: &str) -> bool {
        let holder = format!("{{{holder}}}");
        let commands = std::iter::once(&self.command).chain(&self.driver).chain(self.ops.values());
        commands.flatten().any(|part| part.contains(&holder))
    }
}

/// Where a subject runs that we do not start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attach {
    /// `host:port`
    Tcp(String),
    /// The path of a socket.
    Unix(String),
    /// `http://` or `https://`
    Url(String),
}

impl Attach {
    /// Reads `HOST:PORT`, `unix:PATH` or a URL.
    ///
    /// # Errors
    /// Why this is none of them.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:").or(text.starts_with('/').then_some(text)) {
            return Ok(Attach::Unix(path.into()));
        }
        if text.contains("://") {
            let plain = text.replacen("https://", "http://", 1);
            return parse_url(&plain).map(|_| Attach::Url(text.into()));
        }
        match text.rsplit_once(':') {
            Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => {
                Ok(Attach::Tcp(text.into()))
            }
            _ => Err(format!("{text:?} is no address: write HOST:PORT, unix:PATH, http://.. or https://..")),
        }
    }

    /// The address of its socket.
    ///
    /// # Errors
    /// A URL, where the protocol is not HTTP.
    pub fn address(&self) -> Result<Address, String> {
        match self {
            Attach::Tcp(addr) => Ok(Address::Tcp(addr.clone())),
            Attach::Unix(path) => Ok(Address::Unix(path.clone())),
            Attach::Url(url) => {
                Err(format!("this role is no HTTP server: attach HOST:PORT or unix:PATH, not {url}"))
            }
        }
    }

    /// Connects and lets go again.
    ///
    /// # Errors
    /// Nobody listens there.
    pub fn knock(&self) -> Result<(), String> {
        let knocked = match self {
            Attach::Unix(path) => std::os::unix::net::UnixStream::connect(path).map(drop),
            Attach::Tcp(addr) => std::net::TcpStream::connect(addr).map(drop),
            Attach::Url(url) => {
                let is_tls = url.starts_with("https://");
                let (_, host, _) = parse_url(&url.replacen("https://", "http://", 1))?;
                let has_port = host.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
                let port = if is_tls { 443 } else { 80 };
                let addr = if has_port { host } else { format!("{host}:{port}") };
                std::net::TcpStream::connect(addr).map(drop)
            }
        };
        knocked.map_err(|error| match error.kind() {
            std::io::ErrorKind::PermissionDenied => {
                format!("{self}: this user may not write to the socket ({error})")
            }
            _ => format!("nobody can be reached at {self}: {error}; is the subject running?"),
        })
    }

    /// Knocks until somebody opens, for so long, unless it is over before.
    ///
    /// # Errors
    /// Nobody listens there.
    pub(crate) fn knock_for(
        &self,
        patience: time::Duration,
        pause: time::Duration,
        is_over: impl Fn() -> bool,
    ) -> Result<(), String> {
        let begun = time::Instant::now();
        loop {
            match self.knock() {
                Err(_) if !is_over() && begun.elapsed() <= patience => std::thread::sleep(pause),
                done => return done,
            }
        }
    }

    /// The names that it binds.
    pub fn values(&self) -> Vec<(String, String)> {
        let value = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        match self {
            Attach::Tcp(addr) => {
                let port = addr.rsplit_once(':').map_or("", |(_, port)| port);
                vec![value("url", &format!("http://{addr}")), value("port", port)]
            }
            Attach::Unix(path) => vec![value("socket", path)],
            Attach::Url(url) => vec![value("url", url)],
        }
    }
}

impl std::fmt::Display for Attach {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Attach::Tcp(text) | Attach::Url(text) => f.write_str(text),
            Attach::Unix(path) => write!(f, "unix:{path}"),
        }
    }
}

fn attach(table: &Table<'_>, text: &crate::scenario::table::Text) -> Option<Attach> {
    Attach::parse(&text.text).map_err(|why| table.problem(text.span.clone(), why)).ok()
}

fn op(table: &Table<'_>) -> Vec<String> {
    let command = table.texts("command").into_iter().map(|text| text.text).collect();
    table.finish();
    command
}

fn texts(table: &Table<'_>) -> BTreeMap<String, String> {
    table.every_text().into_iter().map(|(key, value)| (key.text, value.text)).collect()
}

/// `api_key`, and the table `[secret]`: each a text, or `{ env = "NAME" }`.
fn secrets(root: &Table<'_>) -> Secrets {
    let mut secrets = Secrets::default();
    let inner = root.table("secret");
    let names = inner.iter().flat_map(|table| table.keys().map(|key| key.text.clone())).collect::<Vec<_>>();
    let own = root.has("api_key").then_some((root, "api_key"));
    let others = inner.iter().flat_map(|table| names.iter().map(move |name| (table, name.as_str())));
    for (table, name) in own.into_iter().chain(others) {
        let added = secret(table, name).and_then(|value| secrets.add(name, &value));
        if let Err(why) = added {
            table.problem(table.key_span(name), why);
        }
    }
    secrets
}

/// The text of the file without the values of its secrets.
fn starred(text: &str, root: &Table<'_>) -> String {
    let inner = root.table("secret");
    let inner = inner.iter().flat_map(|table| table.keys().filter_map(|key| table.scalar(&key.text)));
    let own = if root.is_table("api_key") { None } else { root.text("api_key").map(|text| text.text) };
    let values = inner.filter_map(|value| value.as_inserted()).chain(own).filter(|value| !value.is_empty());
    values.fold(text.to_owned(), |text, value| text.replace(&value, &"*".repeat(value.len())))
}

/// The value of a secret.
fn secret(table: &Table<'_>, name: &str) -> Result<String, String> {
    if let Some(variable) = table.inner_text(name, "env") {
        let variable = variable.text;
        return std::env::var(&variable)
            .map_err(|_| format!("the secret `{name}` is missing: set the variable {variable}"));
    }
    let text = table.scalar(name).and_then(|value| value.as_inserted());
    text.ok_or_else(|| format!("`{name}` is a text or {{ env = \"NAME\" }}"))
}

/// Headers: each a text, or `{ env = "NAME" }`, which makes its value a secret.
fn headers(table: &Table<'_>, secrets: &mut Secrets) -> BTreeMap<String, String> {
    let mut headers = BTreeMap::new();
    for key in table.keys() {
        let name = key.text.as_str();
        let value = match table.inner_text(name, "env") {
            None => secret(table, name),
            Some(_) => secret(table, name).and_then(|value| {
                let hidden = format!("header.{name}");
                secrets.add(&hidden, &value)?;
                Ok(secrets.unname(&hidden).unwrap_or_default())
            }),
        };
        match value {
            Ok(value) => drop(headers.insert(name.to_owned(), value)),
            Err(why) => table.problem(key.span.clone(), why),
        }
    }
    headers
}
