//! The binary `plugfest`.

fn main() {
    std::process::exit(plugfest::cli::main());
}
