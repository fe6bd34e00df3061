//! The transcript of a case while it is written: most are thrown away, and never become a file.

use std::fs::File;
use std::io::{BufWriter, Result, Write};
use std::path::PathBuf;

use crate::secret::{Masked, Secrets};

/// What is longer than so many bytes goes to its file at once.
const LONGEST: usize = 1 << 20;

/// Text in memory that becomes a file when it is long, or kept.
pub(super) struct Draft {
    path: PathBuf,
    secrets: Secrets,
    text: Vec<u8>,
    file: Option<BufWriter<Masked<File>>>,
}

impl Draft {
    /// Nothing yet, for a file that must not be there.
    pub(super) fn new(path: PathBuf, secrets: &Secrets) -> Self {
        Self { path, secrets: secrets.clone(), text: Vec::new(), file: None }
    }

    /// Makes a file of it.
    pub(super) fn keep(mut self) -> Result<()> {
        self.open()?.flush()
    }

    fn open(&mut self) -> Result<&mut BufWriter<Masked<File>>> {
        let mut file = match self.file.take() {
            Some(file) => file,
            None => BufWriter::new(Masked::new(File::create(&self.path)?, &self.secrets)),
        };
        file.write_all(&std::mem::take(&mut self.text))?;
        Ok(self.file.insert(file))
    }
}

impl Write for Draft {
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
        let draft = || {
            let mut draft = Draft::new(path.clone(), &Secrets::default());
            draft.write_all(b"one\n").and_then(|()| draft.flush()).expect("it is in memory");
            draft
        };
        drop(draft());
        assert!(!path.exists());
        let mut kept = draft();
        kept.write_all(b"two\n").expect("it is in memory");
        kept.keep().expect("the folder is there");
        assert_eq!(std::fs::read(&path).expect("it was kept"), b"one\ntwo\n");
    }

    #[test]
    fn what_is_long_is_a_file_at_once_and_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("t.jsonl");
        let mut draft = Draft::new(path.clone(), &Secrets::default());
        let line = [b'x'; 1000];
        for _ in 0..2000 {
            draft.write_all(&line).expect("the folder is there");
        }
        assert!(path.exists());
        draft.keep().expect("the folder is there");
        assert_eq!(std::fs::metadata(&path).expect("it was kept").len(), 2_000_000);
    }
}
