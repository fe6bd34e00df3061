//! `cargo xtask conformance`: builds where that is needed, sets up what the subject needs, and runs.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Done, cargo, peer, root, target, without_cargo};

pub fn run(args: &[String]) -> Done {
    let program = target().join("debug/plugfest");
    let built = if is_fresh(&program) { 0 } else { build()? };
    if built != 0 {
        return Ok(built);
    }
    for (at, arg) in args.iter().enumerate() {
        let file = arg
            .strip_prefix("--subject=")
            .or_else(|| (arg == "--subject").then(|| args.get(at + 1)).flatten().map(String::as_str));
        if let Some(file) = file {
            set_up(Path::new(file))?;
        }
    }
    let mut plugfest = Command::new(program);
    without_cargo(&mut plugfest);
    crate::run(plugfest.arg("run").args(args))
}

/// Whether the program is up to date. Cargo, where it runs us, has just brought us up to date, and we contain the whole
/// library of the program: what was built after us has the same. To ask cargo once more takes 0.2 s.
fn is_fresh(program: &Path) -> bool {
    let written = |path: &Path| path.metadata().and_then(|file| file.modified()).ok();
    let parts = [std::env::current_exe().unwrap_or_default(), root().join("src/main.rs")];
    let is_younger = |own| parts.iter().all(|part| written(part).is_some_and(|part| part <= own));
    let built = written(program).max(written(&stamp()).filter(|_| program.exists()));
    std::env::var_os("CARGO").is_some() && built.is_some_and(is_younger)
}

/// Written when the program was brought up to date, as cargo does not touch one that was so before.
fn stamp() -> PathBuf {
    target().join("debug/plugfest.built")
}

fn build() -> Done {
    let built = crate::run(cargo().args(["build", "--quiet", "--bin", "plugfest"]))?;
    if built == 0 {
        let _ = std::fs::write(stamp(), ""); // without it cargo is only asked again
    }
    Ok(built)
}

/// Sets up every peer that a subject's file mentions.
fn set_up(file: &Path) -> Result<(), String> {
    let text = std::fs::read_to_string(file)
        .or_else(|_| std::fs::read_to_string(root().join(file)))
        .unwrap_or_default();
    for peer in peer::ALL.iter().filter(|peer| text.contains(&format!("fixtures/peers/{}/", peer.name))) {
        peer.set_up().map_err(|why| format!("{}: {why}", peer.name))?;
    }
    Ok(())
}
