//! Zip archives: written the same every time, read with limits.

use std::io::{Cursor, Read, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::Files;

/// Most bytes that an archive may unpack to (the deployed decoder's limit for a package is 50 MiB, too).
const MOST: u64 = 64 << 20;

/// What is wrong with an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is none.
    NoZip(String),
    /// One of its entries cannot be taken.
    Entry(String),
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Fault::NoZip(why) | Fault::Entry(why) => f.write_str(why),
        }
    }
}

/// Packs files: sorted by path, stored, without times, so that the same files give the same bytes.
///
/// # Errors
/// A path that a zip archive cannot hold.
pub fn pack(files: &Files) -> Result<Vec<u8>, String> {
    pack_entries(files.iter().map(|(path, content)| (path.as_str(), content.as_slice())), "")
}

/// Packs entries in the order in which they come, under a comment.
pub(super) fn pack_entries<'a>(
    entries: impl Iterator<Item = (&'a str, &'a [u8])>,
    comment: &str,
) -> Result<Vec<u8>, String> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(zip::DateTime::default());
    zip.set_comment(comment).map_err(|error| error.to_string())?;
    for (path, content) in entries {
        zip.start_file(path, options).map_err(|error| format!("{path}: {error}"))?;
        zip.write_all(content).map_err(|error| format!("{path}: {error}"))?;
    }
    zip.finish().map(Cursor::into_inner).map_err(|error| error.to_string())
}

/// An archive that was opened.
#[derive(Debug)]
pub struct Archive<'a> {
    zip: ZipArchive<Cursor<&'a [u8]>>,
}

impl<'a> Archive<'a> {
    /// Opens an archive; its entries are not read yet.
    ///
    /// # Errors
    /// Bytes that are no zip archive.
    pub fn open(bytes: &'a [u8]) -> Result<Self, Fault> {
        let zip = ZipArchive::new(Cursor::new(bytes)).map_err(|error| Fault::NoZip(error.to_string()))?;
        Ok(Self { zip })
    }

    /// All its files.
    ///
    /// # Errors
    /// The first entry that is damaged, a folder, a link, leads out of the package, comes twice or is too large.
    pub fn files(&mut self) -> Result<Files, Fault> {
        let mut files = Files::new();
        let mut room = MOST;
        for index in 0..self.zip.len() {
            let (path, content) = self.entry(index, room)?;
            room -= content.len() as u64;
            if files.insert(path.clone(), content).is_some() {
                return Err(Fault::Entry(format!("{path} is there twice")));
            }
        }
        Ok(files)
    }

    /// What stands behind the last entry.
    pub(super) fn comment(&self) -> &[u8] {
        self.zip.comment()
    }

    /// The contents of the files, in the order of the archive.
    ///
    /// # Errors
    /// As [`Archive::files`].
    pub(super) fn contents(&mut self) -> Result<Vec<Vec<u8>>, Fault> {
        let (mut room, mut contents) = (MOST, Vec::new());
        for index in 0..self.zip.len() {
            let (_, content) = self.entry(index, room)?;
            room -= content.len() as u64;
            contents.push(content);
        }
        Ok(contents)
    }

    fn entry(&mut self, index: usize, room: u64) -> Result<(String, Vec<u8>), Fault> {
        let entry = self.zip.by_index(index).map_err(|error| Fault::Entry(error.to_string()))?;
        let path = entry.name().map_err(|error| Fault::Entry(error.to_string()))?.to_string();
        let wrong = |why: &str| Fault::Entry(format!("{path} {why}"));
        if entry.is_dir() {
            return Err(wrong("is a directory"));
        }
        if entry.is_symlink() {
            return Err(wrong("is a link"));
        }
        if path.split('/').any(|part| matches!(part, "" | "." | "..")) || path.contains('\\') {
            return Err(wrong("leads out of the package"));
        }
        let mut content = Vec::new();
        let read = entry.take(room + 1).read_to_end(&mut content);
        read.map_err(|error| wrong(&format!("cannot be read: {error}")))?;
        if content.len() as u64 > room {
            return Err(wrong("makes the package larger than 64 MiB"));
        }
        Ok((path, content))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::package::shelf;

    fn files_of(name: &str) -> Result<Files, Fault> {
        Archive::open(&shelf::package(name).expect("it is on the shelf"))?.files()
    }

    proptest! {
        #[test]
        fn what_was_packed_is_read_again(files in proptest::collection::btree_map("[a-z]{1,8}(/[a-z]{1,8})?", any::<Vec<u8>>(), 0..6)) {
            let bytes = pack(&files).unwrap();
            prop_assert_eq!(&pack(&files).unwrap(), &bytes);
            prop_assert_eq!(Archive::open(&bytes).unwrap().files().unwrap(), files);
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, at: prop::sample::Index, to: u8) {
            let _ = Archive::open(&bytes).and_then(|mut archive| archive.files());
            let mut damaged = shelf::package("ends-at-start").unwrap();
            let at = at.index(damaged.len());
            damaged[at] = to;
            let _ = Archive::open(&damaged).and_then(|mut archive| archive.files());
        }
    }

    #[test]
    fn what_is_wrong_is_told() {
        for name in ["corrupt", "cut", "empty"] {
            assert!(matches!(files_of(name), Err(Fault::NoZip(_))), "{name}");
        }
        for (name, part) in [
            ("damaged-entry", "cannot be read"),
            ("directory-entry", "is a directory"),
            ("leads-out", "leads out"),
        ] {
            let fault = files_of(name).expect_err(name);
            assert!(matches!(&fault, Fault::Entry(why) if why.contains(part)), "{name}: {fault:?}");
        }
    }
}
