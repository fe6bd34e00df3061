//! The packages of the suites, by name.
//!
//! `good` is the conformance plugin of `fixtures/peers/dify-python`, file by file. The others are small: the manifest
//! of a plugin `plugfest/conformance`, one entry point of a few lines, and what is wrong with them. The first line of
//! these entry points says to our reference server, which has no Python behind its `--builtin`, what they do
//! (`# plugfest: exits 3`, `# plugfest: silent`, `# plugfest: catalogue`).

use std::collections::BTreeMap;
use std::sync::OnceLock;

use super::{Files, filename, pack};

/// The name that stands for a package file which does not exist.
pub const MISSING: &str = "missing";

/// A package on the shelf.
struct Item {
    bytes: Vec<u8>,
    filename: String,
}

/// The bytes of a package; none under a name that is not on the shelf, nor of [`MISSING`].
pub fn package(name: &str) -> Option<Vec<u8>> {
    shelf().get(name).map(|item| item.bytes.clone())
}

/// The name under which a package is launched.
pub fn filename_of(name: &str) -> Option<&'static str> {
    shelf().get(name).map(|item| item.filename.as_str())
}

/// All names.
pub fn names() -> impl Iterator<Item = &'static str> {
    shelf().keys().copied()
}

fn shelf() -> &'static BTreeMap<&'static str, Item> {
    static SHELF: OnceLock<BTreeMap<&'static str, Item>> = OnceLock::new();
    SHELF.get_or_init(|| {
        let item = |(name, bytes): (&'static str, Vec<u8>)| {
            let filename = filename(name, &bytes);
            (name, Item { bytes, filename })
        };
        made().into_iter().map(item).collect()
    })
}

/// Name, bytes.
fn made() -> Vec<(&'static str, Vec<u8>)> {
    let zip = |files: &Files| pack(files).unwrap_or_default();
    let good = zip(&good());
    let half = good[..good.len() / 2].to_vec();
    let without = |path: &str| {
        let mut files = small("# plugfest: silent\nimport time\ntime.sleep(600)\n");
        files.remove(path);
        files
    };
    let manifest = |text: String| with(without("manifest.yaml"), "manifest.yaml", text);
    vec![
        // What a launcher takes.
        ("good", good),
        ("good-signed", super::pack_signed(&self::good()).unwrap_or_default()),
        ("slow-start", zip(&slow())),
        ("catalogue", zip(&catalogue())),
        // What is no package.
        ("corrupt", b"this is no zip archive, although its name says so\n".to_vec()),
        ("cut", half),
        ("empty", Vec::new()),
        // What is a plugin that would run, but for one entry.
        ("damaged-entry", damaged(zip(&with(catalogue(), "notes.txt", "plugfest-damaged-here\n".into())))),
        ("directory-entry", zip(&with(catalogue(), "folder/", String::new()))),
        ("leads-out", zip(&with(catalogue(), "../plugfest-led-out.txt", "out\n".into()))),
        // What is no plugin.
        ("no-manifest", zip(&without("manifest.yaml"))),
        ("broken-manifest", zip(&manifest(MANIFEST.replacen("version: 0.0.1\n", "", 1)))),
        ("unreadable-manifest", zip(&manifest("name: [unclosed\n  : : :\n".into()))),
        // What does not run.
        (
            "requirement-that-does-not-exist",
            zip(&with(self::good(), "requirements.txt", "plugfest-no-such-package==0.0.0\n".into())),
        ),
        ("ends-at-start", zip(&small("# plugfest: exits 3\nimport sys\nsys.exit(3)\n"))),
        ("never-ready", zip(&small("# plugfest: silent\nimport time\ntime.sleep(600)\n"))),
    ]
}

const MANIFEST: &str = include_str!("../../fixtures/peers/dify-python/manifest.yaml");

/// The files of the conformance plugin.
fn good() -> Files {
    let mut files = Files::new();
    macro_rules! take {
        ($($path:literal),* $(,)?) => {
            $(files.insert($path.to_owned(), include_bytes!(concat!("../../fixtures/peers/dify-python/", $path)).to_vec());)*
        };
    }
    take!(
        "README.md",
        "_assets/icon.svg",
        "constraints.txt",
        "main.py",
        "manifest.yaml",
        "provider/plugfest.py",
        "provider/plugfest.yaml",
        "requirements.txt",
    );
    take!("tools/back.py", "tools/blob.py", "tools/chunks.py", "tools/die.py", "tools/echo.py");
    take!("tools/fail.py", "tools/json.py", "tools/noise.py", "tools/sleep.py", "tools/spin.py");
    take!("tools/back.yaml", "tools/blob.yaml", "tools/chunks.yaml", "tools/die.yaml", "tools/echo.yaml");
    take!("tools/fail.yaml", "tools/json.yaml", "tools/noise.yaml", "tools/sleep.yaml", "tools/spin.yaml");
    files
}

/// The conformance plugin, which takes half a second before it does anything.
fn slow() -> Files {
    let good = good();
    let main = String::from_utf8_lossy(&good["main.py"]).into_owned();
    with(good, "main.py", format!("# plugfest: takes 500 ms\nimport time\n\ntime.sleep(0.5)\n\n{main}"))
}

/// A plugin that answers every action, with no SDK behind it.
fn catalogue() -> Files {
    macro_rules! text {
        ($path:literal) => {
            include_str!(concat!("../../fixtures/peers/dify-catalogue/", $path)).to_owned()
        };
    }
    with(small(&text!("main.py")), "catalogue.json", text!("catalogue.json"))
}

/// The conformance plugin's manifest, with an entry point of its own and no requirement.
fn small(main: &str) -> Files {
    let mut files = good();
    files
        .retain(|path, _| !path.starts_with("tools/") && !path.ends_with(".md") && path != "constraints.txt");
    let provider = String::from_utf8_lossy(&files["provider/plugfest.yaml"]).into_owned();
    let listed = provider.lines().filter(|line| !line.starts_with("  - tools/"));
    let listed = listed.map(|line| if line == "tools:" { "tools: []" } else { line });
    let provider = listed.collect::<Vec<_>>().join("\n");
    let files = with(files, "provider/plugfest.yaml", provider + "\n");
    let files = with(files, "requirements.txt", String::new());
    with(files, "main.py", main.into())
}

fn with(mut files: Files, path: &str, content: String) -> Files {
    files.insert(path.to_owned(), content.into_bytes());
    files
}

/// Changes a byte of an entry's content, so that its CRC does not fit any more.
fn damaged(mut zip: Vec<u8>) -> Vec<u8> {
    let mark = b"plugfest-damaged-here";
    if let Some(at) = zip.windows(mark.len()).position(|window| window == mark) {
        zip[at] = b'P';
    }
    zip
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_package_is_made_once_and_has_a_name_to_launch_it_under() {
        assert_eq!(names().count(), made().len());
        for name in names() {
            let launched = filename_of(name).unwrap();
            assert_eq!(launched.split('@').count(), 4, "{launched}");
        }
        assert!(package(MISSING).is_none());
    }
}
