//! `cargo xtask conformance`: builds, sets up what the subject needs, and runs.

use std::path::Path;
use std::process::Command;

use crate::{Done, cargo, peer, root, target, without_cargo};

pub fn run(args: &[String]) -> Done {
    let built = self::build()?;
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
    let mut plugfest = Command::new(target().join("debug/plugfest"));
    without_cargo(&mut plugfest);
    crate::run(plugfest.arg("run").args(args))
}

fn build() -> Done {
    crate::run(cargo().args(["build", "--quiet", "--bin", "plugfest"]))
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
