//! What a launch does, as pure functions: the package that was sent, its stages, what it is listed under.

use crate::actor::{Nanos, Payload};
use crate::codec::http1::chunk;
use crate::datum::Datum;
use crate::package::{Archive, Files, Manifest, checksum};

/// One event of a launch: stage, state, message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stage(pub &'static str, pub &'static str, pub String);

impl Stage {
    /// The event as one chunk of the stream; `Obj` mirrors nothing.
    pub(super) fn bytes(&self) -> Payload {
        let Stage(stage, state, message) = self;
        let event = Datum::map([
            ("Stage", Datum::text(*stage)),
            ("State", Datum::text(*state)),
            ("Obj", Datum::text("")),
            ("Message", Datum::text(message)),
        ]);
        let line = [b"data: ", crate::mocks::encoded::json_bytes(&event).as_slice(), b"\n\n"].concat();
        chunk(Payload::from(line), &|_| None).unwrap_or_default()
    }
}

/// What a launch request asks for.
pub(super) struct Order {
    /// The name of the package's file.
    pub(super) filename: String,
    /// The package.
    pub(super) bytes: Vec<u8>,
}

impl Order {
    /// Reads a form.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn read(form: &Datum) -> Result<Self, String> {
        let context = form.get("context").ok_or("the form has no file `context`")?;
        let filename = context.get("filename").and_then(Datum::as_inserted);
        let filename = filename.ok_or("`context` is no file: it has no file name")?;
        if !is_filename(&filename) {
            return Err(format!("{filename} is not vendor@name@version@hash.difypkg"));
        }
        let body = context.get("body").and_then(Datum::as_bytes).unwrap_or_default();
        let verified = form.get("verified").and_then(|part| part.get("body")).and_then(Datum::as_inserted);
        match verified.as_deref() {
            None | Some("true" | "false") => Ok(Self { filename, bytes: body.into_owned() }),
            Some(other) => Err(format!("verified is true or false, not {other:?}")),
        }
    }

    /// The files of the package.
    ///
    /// # Errors
    /// Why it is no archive.
    pub(super) fn files(&self) -> Result<Files, String> {
        Archive::open(&self.bytes).and_then(|mut archive| archive.files()).map_err(|fault| fault.to_string())
    }

    /// What unpacking finds wrong: the stage that fails, and why.
    ///
    /// # Errors
    /// Why it is not launched at all.
    pub(super) fn unpacking(&self, checks_hash: bool) -> Result<Option<(&'static str, String)>, String> {
        let files = self.files()?;
        if let Err(why) = Manifest::read(&files) {
            return Ok(Some(("start", why)));
        }
        let hash = checksum(&files);
        if checks_hash && !self.filename.ends_with(&format!("@{hash}.difypkg")) {
            return Err(format!("the name of the package says another checksum than its content, {hash}"));
        }
        Ok(None)
    }

    /// What a build and a start without an interpreter find wrong, beside what unpacking does.
    ///
    /// # Errors
    /// Why it is not launched at all.
    pub(super) fn fault(&self, checks_hash: bool) -> Result<Option<(&'static str, String)>, String> {
        let files = match self.unpacking(checks_hash)? {
            None => self.files()?,
            fault => return Ok(fault),
        };
        let text =
            |path: &str| String::from_utf8_lossy(files.get(path).map_or(b"", Vec::as_slice)).into_owned();
        let requirements = text("requirements.txt");
        let unknown = requirements.lines().find(|line| {
            let line = line.trim();
            !line.is_empty() && !line.starts_with('#') && !line.starts_with("dify_plugin")
        });
        if let Some(requirement) = unknown {
            return Ok(Some(("build", format!("no such requirement: {requirement}"))));
        }
        let exits = note(&files, "exits");
        Ok(exits.map(|status| ("run", format!("the plugin ended with status {status}"))))
    }

    /// How long the plugin takes to start, where its package says so.
    pub(super) fn takes(&self) -> Nanos {
        let note = self.files().ok().and_then(|files| note(&files, "takes"));
        let millis = note.and_then(|note| note.strip_suffix(" ms")?.parse::<u64>().ok());
        millis.map_or(0, |millis| millis * 1_000_000)
    }
}

/// What the first line of the entry point says of the plugin, for those that do not run it: `# plugfest: WORD ..`.
fn note(files: &Files, word: &str) -> Option<String> {
    let main = String::from_utf8_lossy(files.get("main.py")?);
    let note = main.lines().next()?.strip_prefix("# plugfest: ")?.strip_prefix(word)?;
    Some(note.strip_prefix(' ')?.to_owned())
}

/// The events of a launch; `told` is the text of run/success.
pub(super) fn stages(fault: Option<(&'static str, String)>, told: String) -> Vec<Stage> {
    let text = |text: &str| text.to_owned();
    let all = [
        Stage("healthz", "success", text("ready")),
        Stage("start", "running", text("unpacking")),
        Stage("start", "success", text("unpacked")),
        Stage("build", "running", text("resolving requirements")),
        Stage("build", "success", text("resolved")),
        Stage("run", "running", text("starting")),
        Stage("run", "success", told),
        Stage("end", "success", String::new()),
    ];
    let Some((failed, why)) = fault else { return all.into() };
    let before = all.into_iter().take_while(|Stage(stage, state, _)| *stage != failed || *state == "running");
    let why = why.chars().take(900).collect();
    before.chain([Stage(failed, "failed", why), Stage("end", "failed", String::new())]).collect()
}

/// `vendor@name@version@64 hex digits.difypkg`.
pub(super) fn is_filename(text: &str) -> bool {
    let Some(parts) = text.strip_suffix(".difypkg") else { return false };
    let [vendor, name, version, hash] = parts.split('@').collect::<Vec<_>>()[..] else { return false };
    let word = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte))
    };
    let number =
        |text: &str| !text.is_empty() && text.len() <= 4 && text.bytes().all(|byte| byte.is_ascii_digit());
    let (numbers, _) = version.split_once('-').unwrap_or((version, ""));
    word(vendor)
        && word(name)
        && numbers.split('.').count() >= 2
        && numbers.split('.').all(number)
        && hash.len() == 64
        && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::shelf;

    fn order(name: &str) -> Order {
        let filename = shelf::filename_of(name).unwrap().to_owned();
        Order { filename, bytes: shelf::package(name).unwrap() }
    }

    #[test]
    fn each_package_of_the_shelf_fails_where_it_should() {
        let fault = |name: &str| order(name).fault(true);
        assert_eq!(fault("good"), Ok(None));
        assert_eq!(fault("requirement-that-does-not-exist").unwrap().unwrap().0, "build");
        assert_eq!(fault("broken-manifest").unwrap().unwrap().0, "start");
        assert_eq!(fault("ends-at-start").unwrap().unwrap().0, "run");
        assert!(fault("corrupt").is_err());
        assert_eq!(fault("slow-start"), Ok(None));
        assert_eq!((order("slow-start").takes(), order("good").takes()), (500_000_000, 0));
    }

    #[test]
    fn names_of_packages() {
        let hash = "a".repeat(64);
        assert!(is_filename(&format!("a@b@0.0.1@{hash}.difypkg")));
        for wrong in ["a@b@0.0.1.difypkg", "a@b@0.0.1@abc.difypkg", "../x", ""] {
            assert!(!is_filename(wrong), "{wrong}");
        }
    }
}
