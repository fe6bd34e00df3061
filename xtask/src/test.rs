//! `cargo xtask test`: every test, with the peers that this machine can set up.

use crate::{Done, cargo, peer};

pub fn run(args: &[String]) -> Done {
    for peer in peer::ALL {
        if let Err(why) = peer.set_up() {
            eprintln!("not-run: the cases of fixtures/peers/{}: {why}", peer.name);
        }
    }
    crate::run(cargo().args(["test", "--workspace"]).args(args))
}
