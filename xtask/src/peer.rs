//! The peers: conformance plugins written with real SDKs, each set up by its ordinary package manager.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sha2::{Digest, Sha256};

use crate::{root, run};

/// A folder below fixtures/peers.
pub struct Peer {
    /// Its name.
    pub name: &'static str,
    /// The tool without which it cannot be set up.
    pub needs: &'static str,
    /// Set-up commands, run in its folder.
    commands: &'static [&'static [&'static str]],
    /// Other peers whose files it uses.
    uses: &'static [&'static str],
}

const VENV: &[&str] = &["python3", "-m", "venv", "build/venv"];
const PIP: &str = "build/venv/bin/pip";
const PYTHON: &str = "build/venv/bin/python";
const NO_DEPS: &[&str] = &[PIP, "install", "--quiet", "--no-deps", "-r", "requirements.txt"];

/// All peers.
pub const ALL: &[Peer] = &[
    Peer {
        name: "arcaflow-python",
        needs: "python3",
        commands: &[VENV, NO_DEPS, &[PYTHON, "-m", "compileall", "-q", "steps.py", "form.py"]],
        uses: &[],
    },
    Peer {
        name: "arcaflow-python-v1",
        needs: "python3",
        commands: &[VENV, NO_DEPS],
        uses: &["arcaflow-python"],
    },
    Peer {
        name: "dify-python",
        needs: "python3",
        commands: &[VENV, &[PIP, "install", "--quiet", "-r", "requirements.txt", "-c", "constraints.txt"]],
        uses: &[],
    },
    Peer {
        name: "arcaflow-go",
        needs: "go",
        commands: &[
            &["go", "build", "-buildvcs=false", "-o", "build/plugin", "."],
            &["go", "build", "-buildvcs=false", "-o", "build/engine", "./engine"],
        ],
        uses: &[],
    },
    Peer {
        name: "apisix-go",
        needs: "go",
        commands: &[&["go", "build", "-buildvcs=false", "-o", "build/runner", "."]],
        uses: &[],
    },
    Peer { name: "apisix-java", needs: "mvn", commands: &[&["mvn", "-q", "-B", "package"]], uses: &[] },
];

impl Peer {
    /// Whether the tool that it needs is here.
    pub fn can_be_set_up(&self) -> bool {
        let found =
            Command::new(self.needs).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        found.is_ok()
    }

    /// Sets it up, unless that was done for the same files before.
    ///
    /// # Errors
    /// The command that failed.
    pub fn set_up(&self) -> Result<(), String> {
        for other in ALL.iter().filter(|peer| self.uses.contains(&peer.name)) {
            other.set_up()?;
        }
        let folder = self.folder();
        let stamp = folder.join("build/.set-up");
        let wanted = fingerprint(&folder, self.commands)?;
        if fs::read_to_string(&stamp).is_ok_and(|done| done == wanted) {
            return Ok(());
        }
        if !self.can_be_set_up() {
            return Err(format!("{} is not installed", self.needs));
        }
        eprintln!("setting up fixtures/peers/{}", self.name);
        for words in self.commands {
            let status =
                run(Command::new(words[0]).args(&words[1..]).current_dir(&folder).stdin(Stdio::null()))?;
            if status != 0 {
                return Err(format!("`{}` failed with status {status}", words.join(" ")));
            }
        }
        fs::create_dir_all(folder.join("build"))
            .and_then(|()| fs::write(&stamp, wanted))
            .map_err(|error| error.to_string())
    }

    fn folder(&self) -> PathBuf {
        root().join("fixtures/peers").join(self.name)
    }
}

/// A hash of the files that a peer is made of, and of how it is set up.
fn fingerprint(folder: &Path, commands: &[&[&str]]) -> Result<String, String> {
    let mut files = Vec::new();
    collect(folder, &mut files);
    files.sort();
    let mut hash = Sha256::new();
    hash.update(format!("{commands:?}"));
    for file in files {
        hash.update(file.strip_prefix(folder).unwrap_or(&file).to_string_lossy().as_bytes());
        hash.update(fs::read(&file).map_err(|error| format!("{}: {error}", file.display()))?);
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name();
        match path.is_dir() {
            true if name != "build" && name != "__pycache__" => collect(&path, files),
            false => files.push(path),
            true => {}
        }
    }
}
