//! The transcript of a case while it is written: most are thrown away, and never become a file.

use std::fs::File;
use std::io::{BufWriter, Result, Write};
use std::path::Path;

use crate::secret::{Masked, Secrets};

/// What is longer than so many bytes goes to its file at once.
const LONGEST: usize = 1 << 20;

/// Text in memory that becomes a file when it is long, or kept; only then it needs its header.
pub(super) struct Draft<'a> {
    path: &'a Path,
    secrets: &'a Secrets,
    header: &'a dyn Fn() -> Result<Vec<u8>>,
    text: Vec<u8>,
    file: Option<BufWriter<Masked<File>>>,
}

impl<'a> Draft<'a> {
    /// Nothing yet, for a file that must not be there.
    pub(super) fn new(path: &'a Path, secrets: &'a Secrets, header: &'a dyn Fn() -> Result<Vec<u8>>) -> Self {
        Self { path, secrets, header, text: Vec::new(), file: None }
    }

    /// Makes a file of it.
    pub(super) fn keep(mut self) -> Result<()> {
        self.open()?.flush()
    }

    /// Leaves nothing of it.
    pub(super) fn discard(self) -> Result<()> {
        if self.file.is_some() { std::fs::remove_file(self.path) } else { Ok(()) }
    }

    fn open(&mut self) -> Result<&mut BufWriter<Masked<File>>> {
        let mut file = match self.file.take() {
            Some(file) => file,
            None => {
                let mut file = BufWriter::new(Masked::new(File::create(self.path)?, self.secrets));
                file.write_all(&(self.header)()?)?;
                file
            }
        };
        file.write_all(&std::mem::take(&mut self.text))?;
        Ok(self.file.insert(file))
    }
}

impl Write for Draft<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        if let Some(file) = &mut self.file {
            return file.write(bytes);
        }
        self.text.extend_from_slice(bytes);
        if self.text.len() > LONGEST {
            self.open()?;
        }
        Ok(bytes.len())
    }

    /// Brings on disk what is on its way there.
    fn flush(&mut self) -> Result<()> {
        self.file.as_mut().map_or(Ok(()), Write::flush)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_short_and_not_kept_is_no_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("t.jsonl");
        let secrets = Secrets::default();
        let header = || Ok(b"head\n".to_vec());
        let draft = || {
            let mut draft = Draft::new(&path, &secrets, &header);
            draft.write_all(b"one\n").and_then(|()| draft.flush()).expect("it is in memory");
            draft
        };
        draft().discard().expect("there is nothing");
        assert!(!path.exists());
        let mut kept = draft();
        kept.write_all(b"two\n").expect("it is in memory");
        kept.keep().expect("the folder is there");
        assert_eq!(std::fs::read(&path).expect("it was kept"), b"head\none\ntwo\n");
    }

    #[test]
    fn what_is_long_is_a_file_at_once_and_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("t.jsonl");
        let secrets = Secrets::default();
        let header = || Ok(b"head\n".to_vec());
        let mut draft = Draft::new(&path, &secrets, &header);
        let line = [b'x'; 1000];
        for _ in 0..2000 {
            draft.write_all(&line).expect("the folder is there");
        }
        assert!(path.exists());
        draft.keep().expect("the folder is there");
        assert_eq!(std::fs::metadata(&path).expect("it was kept").len(), 2_000_005);
    }
}
