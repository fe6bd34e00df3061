//! Plugin packages (`.difypkg`): zip archives of a plugin's files with `manifest.yaml` at their root.
//!
//! | what | where |
//! |---|---|
//! | [`pack`] | files to bytes, the same bytes every time: sorted, stored, without times |
//! | [`Archive`] | bytes to files; refuses what leads out of the package, and limits what it unpacks |
//! | [`Manifest`] | what a launcher needs of `manifest.yaml` |
//! | [`pack_signed`], [`is_signed`] | signatures, as the deployed daemon checks them |
//! | [`checksum`], [`filename`] | the tree checksum, and the name under which a package is launched |
//! | [`shelf`] | the packages of the suites, by the names that scenarios use |
//!
//! The names on the shelf are those of `start = { package = "good" }`, `form = [{ package = "good" }]`,
//! `trigger = { package = "good" }` and `${package.good.filename}`. A scenario that starts a subject with a package
//! finds the file as `{package}` of its command: the harness writes it into the case's folder first. In the simulator
//! `crate::mocks::package` gives the same bytes.
//!
//! Sources: the deployed packer and decoder (langgenius/dify-plugin-daemon, bdb5642, pkg/plugin_packager).

mod archive;
mod folder;
mod manifest;
pub mod shelf;
mod signature;

pub use archive::{Archive, Fault, pack};
pub use folder::pack_folder;
pub use manifest::{Manifest, Runner};
pub use signature::{is_signed, pack_signed};

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

/// The files of a package by their path, `/` between its parts.
pub type Files = BTreeMap<String, Vec<u8>>;

/// The tree checksum: SHA-256 over each path's and each content's SHA-256, in the order of the paths.
pub fn checksum(files: &Files) -> String {
    let mut whole = Sha256::new();
    for (path, content) in files {
        whole.update(Sha256::digest(path.as_bytes()));
        whole.update(Sha256::digest(content));
    }
    hex(&whole.finalize())
}

/// `author@name@version@checksum.difypkg`, by the manifest; of what is no package by `name` and the bytes.
pub fn filename(name: &str, bytes: &[u8]) -> String {
    let read = || {
        let files = Archive::open(bytes).ok()?.files().ok()?;
        let manifest = Manifest::read(&files).ok()?;
        let Manifest { author, name, version, .. } = manifest;
        Some(format!("{author}@{name}@{version}@{}.difypkg", checksum(&files)))
    };
    read().unwrap_or_else(|| format!("plugfest@{name}@0.0.1@{}.difypkg", hex(&Sha256::digest(bytes))))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_checksum_is_that_of_the_deployed_decoder() {
        let files = Files::from([("a".to_owned(), b"1".to_vec()), ("b".to_owned(), b"2".to_vec())]);
        let part = |text: &str| Sha256::digest(text.as_bytes()).to_vec();
        let whole = [part("a"), part("1"), part("b"), part("2")].concat();
        assert_eq!(checksum(&files), hex(&Sha256::digest(&whole)));
    }

    #[test]
    fn a_package_is_launched_under_its_manifest() {
        let name = filename("good", &shelf::package("good").unwrap());
        assert!(name.starts_with("plugfest@conformance@0.0.1@"), "{name}");
        assert!(
            filename("corrupt", &shelf::package("corrupt").unwrap()).starts_with("plugfest@corrupt@0.0.1@")
        );
    }
}
