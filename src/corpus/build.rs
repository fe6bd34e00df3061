//! Embeds `suites/` and the baselines into the library, so that the installed binary needs no checkout.
//!
//! Writes `$OUT_DIR/suites.rs` and `$OUT_DIR/baselines.rs`: one `(path, text)` pair for every TOML file.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

fn main() {
    start_sooner();
    embed("suites", "suites.rs");
    embed("reports/baselines", "baselines.rs");
}

fn embed(folder: &str, into: &str) {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR"));
    let root = root.join(folder);
    let mut files = Vec::new();
    collect(&root, &mut files);
    files.sort();
    let mut source = String::from("&[\n");
    for file in &files {
        let name = file.strip_prefix(&root).expect("collected below it").to_string_lossy().replace('\\', "/");
        source += &format!("    ({name:?}, include_str!({:?})),\n", file.display().to_string());
    }
    source += "]\n";
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo sets OUT_DIR")).join(into);
    fs::write(out, source).expect("OUT_DIR is writable");
}

/// Gathers the files to embed; every folder is watched, so that a new file triggers a rebuild.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    println!("cargo::rerun-if-changed={}", folder.display());
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|kind| kind == "toml" || kind == "md") {
            files.push(path);
        }
    }
}

/// A run starts thousands of processes of this program. At a fixed address the loader need not touch every page that
/// holds a pointer: each starts 0.7 ms sooner, of 2.6 (x86-64 with glibc, `perf stat plugfest mock arcaflow plugin`).
fn start_sooner() {
    let target = |what: &str| env::var(format!("CARGO_CFG_TARGET_{what}")).unwrap_or_default();
    if target("OS") == "linux" && target("ENV") == "gnu" {
        println!("cargo:rustc-link-arg-bins=-no-pie");
        unwinder_within();
    }
}

/// Links GCC's unwinder into the program, where its archive is installed: a library less to load, 0.15 ms a start.
/// Linkers take a text in place of a library as a script.
fn unwinder_within() {
    let asked = Command::new("cc").arg("-print-file-name=libgcc_eh.a").output();
    let archive = asked.map(|answer| String::from_utf8_lossy(&answer.stdout).trim().to_owned());
    let Some(archive) = archive.ok().filter(|path| Path::new(path).is_absolute()) else { return };
    let folder = PathBuf::from(env::var("OUT_DIR").expect("cargo sets OUT_DIR")).join("unwinder");
    fs::create_dir_all(&folder).expect("OUT_DIR is writable");
    fs::write(folder.join("libgcc_s.so"), format!("INPUT({archive})\n")).expect("OUT_DIR is writable");
    println!("cargo:rustc-link-search=native={}", folder.display());
}
