//! Embeds `suites/` into the library, so that the installed binary needs no checkout.
//!
//! Writes `$OUT_DIR/corpus.rs`: one `(path, text)` pair for every TOML and Markdown file below `suites/`.

use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    let root =
        PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR")).join("suites");
    let mut files = Vec::new();
    collect(&root, &mut files);
    files.sort();
    let mut source = String::from("&[\n");
    for file in &files {
        let name =
            file.strip_prefix(&root).expect("collected below suites/").to_string_lossy().replace('\\', "/");
        source += &format!("    ({name:?}, include_str!({:?})),\n", file.display().to_string());
    }
    source += "]\n";
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo sets OUT_DIR")).join("corpus.rs");
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
