//! `cargo xtask test`: every test, with the peers that this machine can set up.

use crate::{Done, cargo, peer};

/// Property tests draw the same here every time; a bare `cargo test` draws anew and finds new things.
const SEED: &str = "PROPTEST_RNG_SEED";

pub fn run(args: &[String]) -> Done {
    for peer in peer::ALL {
        if let Err(why) = peer.set_up() {
            eprintln!("not-run: the cases of fixtures/peers/{}: {why}", peer.name);
        }
    }
    let mut tests = cargo();
    if std::env::var_os(SEED).is_none() {
        tests.env(SEED, "1");
    }
    let status = crate::run(tests.args(["test", "--workspace"]).args(args))?;
    if status != 0 || !args.is_empty() {
        return Ok(status);
    }
    crate::run(cargo().args(["test", "--quiet", "--doc", "--features", "proptest"]))
}
