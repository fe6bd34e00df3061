//! The transcript of a case while it is played: most are thrown away, and never become text.

use std::fs::File;
use std::io::{BufWriter, Result, Write};
use std::path::Path;

use crate::actor::{Doing, Event};
use crate::secret::{Masked, Secrets};
use crate::transcript::{Line, Record, write_line};

/// Most bytes that are held: what holds more goes to its file at once. Exchanges of large messages are below it, floods
/// are not.
const MOST: usize = 24 << 20;
/// What a line costs beside the bytes that it holds.
const LINE: usize = 256;

/// Lines in memory that become a file when they are many, or kept; only then it needs its header. The first error is
/// kept, and what was written before it.
pub(super) struct Draft<'a> {
    path: &'a Path,
    secrets: &'a Secrets,
    header: &'a dyn Fn() -> Result<Vec<u8>>,
    lines: Vec<Line>,
    held: usize,
    file: Option<Output>,
    error: Option<std::io::Error>,
}

/// A file in which no secret is written.
type Output = BufWriter<Masked<File>>;

impl<'a> Draft<'a> {
    /// Nothing yet, for a file that must not be there.
    pub(super) fn new(path: &'a Path, secrets: &'a Secrets, header: &'a dyn Fn() -> Result<Vec<u8>>) -> Self {
        Self { path, secrets, header, lines: Vec::new(), held: 0, file: None, error: None }
    }

    /// Makes a file of it.
    pub(super) fn keep(mut self) -> Result<()> {
        match self.error.take() {
            Some(error) => Err(error),
            None => self.open()?.flush(),
        }
    }

    /// Leaves nothing of it.
    pub(super) fn discard(self) -> Result<()> {
        match (self.error, self.file) {
            (Some(error), _) => Err(error),
            (None, Some(_)) => std::fs::remove_file(self.path),
            (None, None) => Ok(()),
        }
    }

    fn take(&mut self, line: Line) {
        if self.error.is_some() {
            return;
        }
        let taken = match &mut self.file {
            Some(file) => write_line(file, &line),
            None => {
                self.held += LINE + line.size();
                self.lines.push(line);
                if self.held > MOST { self.open().map(drop) } else { Ok(()) }
            }
        };
        self.error = taken.err();
    }

    fn open(&mut self) -> Result<&mut Output> {
        let mut file = match self.file.take() {
            Some(file) => file,
            None => {
                let mut file = BufWriter::new(Masked::new(File::create(self.path)?, self.secrets));
                file.write_all(&(self.header)()?)?;
                file
            }
        };
        for line in std::mem::take(&mut self.lines) {
            write_line(&mut file, &line)?;
        }
        Ok(self.file.insert(file))
    }
}

impl Record for Draft<'_> {
    fn event(&mut self, event: Event) {
        self.take(Line::Event(event));
    }

    fn doing(&mut self, doing: &Doing) {
        self.take(Line::Doing(doing.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actor::{Blob, Part, What, WireId};

    fn event(seq: u64, length: usize) -> Event {
        let bytes = Blob(vec![b'x'; length]);
        Event { at: 0, seq, what: What::Bytes { wire: WireId::STDIO, part: Part::Main, bytes } }
    }

    fn text(events: &[Event]) -> Vec<u8> {
        let mut text = b"head\n".to_vec();
        for event in events {
            write_line(&mut text, &Line::Event(event.clone())).expect("it is in memory");
        }
        text
    }

    #[test]
    fn what_is_short_and_not_kept_is_no_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("t.jsonl");
        let secrets = Secrets::default();
        let header = || Ok(b"head\n".to_vec());
        let draft = || {
            let mut draft = Draft::new(&path, &secrets, &header);
            draft.event(event(1, 3));
            draft
        };
        draft().discard().expect("there is nothing");
        assert!(!path.exists());
        let mut kept = draft();
        kept.event(event(2, 0));
        kept.keep().expect("the folder is there");
        assert_eq!(std::fs::read(&path).expect("it was kept"), text(&[event(1, 3), event(2, 0)]));
    }

    #[test]
    fn what_is_long_is_a_file_at_once_and_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("t.jsonl");
        let secrets = Secrets::default();
        let header = || Ok(b"head\n".to_vec());
        let draft = || {
            let mut draft = Draft::new(&path, &secrets, &header);
            draft.event(event(1, 3));
            draft.event(event(2, MOST));
            draft.event(event(3, 3));
            draft
        };
        let draft_kept = draft();
        assert!(path.exists());
        draft_kept.keep().expect("the folder is there");
        let whole = text(&[event(1, 3), event(2, MOST), event(3, 3)]);
        assert!(std::fs::read(&path).expect("it was kept") == whole);
        draft().discard().expect("it is there");
        assert!(!path.exists());
    }

    #[test]
    fn what_cannot_be_written_is_told_at_the_end() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("none/t.jsonl");
        let secrets = Secrets::default();
        let header = || Ok(b"head\n".to_vec());
        let draft = || {
            let mut draft = Draft::new(&path, &secrets, &header);
            draft.event(event(1, MOST));
            draft.event(event(2, 3));
            draft
        };
        assert!(draft().keep().is_err());
        assert!(draft().discard().is_err());
    }
}
