//! `cargo xtask test`: every test, with the peers that this machine can set up.

use std::process::Command;
use std::thread;

use crate::{Done, cargo, peer};

/// Property tests draw the same here every time; a bare `cargo test` draws anew and finds new things.
const SEED: &str = "PROPTEST_RNG_SEED";
/// The examples of the documentation need us once more, with another feature: they measure nothing, so not optimised.
const NOT_OPTIMISED: &str = "profile.dev.package.plugfest.opt-level=0";

pub fn run(args: &[String]) -> Done {
    let built = thread::scope(|scope| {
        // Peers wait for what they download, and compilers for each other.
        scope.spawn(set_up_peers);
        crate::run(tests().arg("--no-run").args(args))
    })?;
    if built != 0 {
        return Ok(built);
    }
    let status = run_tests(args)?;
    if status != 0 || !args.is_empty() {
        return Ok(status);
    }
    crate::run(cargo().args([
        "test",
        "--quiet",
        "--doc",
        "--features",
        "proptest",
        "--config",
        NOT_OPTIMISED,
    ]))
}

/// What a run keeps of a subject that fails goes with the tests, unless one of these fails.
fn run_tests(args: &[String]) -> Done {
    let kept =
        tempfile::Builder::new().prefix("plugfest-tests-").tempdir().map_err(|error| error.to_string())?;
    let mut tests = tests();
    if std::env::var_os(SEED).is_none() {
        tests.env(SEED, "1");
    }
    let status = crate::run(tests.env("TMPDIR", kept.path()).args(args))?;
    if status != 0 {
        eprintln!("what the tests left is kept in {}", kept.keep().display());
    }
    Ok(status)
}

fn tests() -> Command {
    let mut cargo = cargo();
    cargo.args(["test", "--workspace"]);
    cargo
}

fn set_up_peers() {
    for peer in peer::ALL {
        if let Err(why) = peer.set_up() {
            eprintln!("not-run: the cases of fixtures/peers/{}: {why}", peer.name);
        }
    }
}
