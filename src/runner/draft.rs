//! The transcript of a case while it is played: most are thrown away, and never become text.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufWriter, Result, Write};
use std::path::Path;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use crate::actor::{Doing, Event};
use crate::secret::{Masked, Secrets};
use crate::transcript::{Line, Record, write_line};

/// Most bytes that all drafts together hold: exchanges of large messages are below it, floods are not.
const MOST: usize = 24 << 20;
/// What a line costs beside the bytes that it holds.
const LINE: usize = 256;

/// Lines in memory that become a file when they are many, or kept; only then it needs its header. The first error is
/// kept, and what was written before it.
pub(super) struct Draft<'a> {
    path: &'a Path,
    secrets: &'a Secrets,
    header: &'a dyn Fn() -> Result<Vec<u8>>,
    /// How many bytes this one and the others hold.
    all: &'a AtomicUsize,
    lines: VecDeque<Line>,
    file: Option<Output>,
    error: Option<std::io::Error>,
}

/// A file in which no secret is written.
type Output = BufWriter<Masked<File>>;

impl<'a> Draft<'a> {
    /// Nothing yet, for a file that must not be there; `all` counts the bytes of all drafts.
    pub(super) fn new(
        path: &'a Path,
        secrets: &'a Secrets,
        header: &'a dyn Fn() -> Result<Vec<u8>>,
        all: &'a AtomicUsize,
    ) -> Self {
        Self { path, secrets, header, all, lines: VecDeque::new(), file: None, error: None }
    }

    /// Makes a file of it.
    pub(super) fn keep(mut self) -> Result<()> {
        match self.error.take() {
            Some(error) => Err(error),
            None => self.write(usize::MAX)?.flush(),
        }
    }

    /// Leaves nothing of it.
    pub(super) fn discard(mut self) -> Result<()> {
        match (self.error.take(), self.file.take()) {
            (Some(error), _) => Err(error),
            (None, Some(_)) => std::fs::remove_file(self.path),
            (None, None) => Ok(()),
        }
    }

    fn take(&mut self, line: impl FnOnce() -> Line) {
        if self.error.is_some() {
            return;
        }
        let line = line();
        let all = self.all.fetch_add(cost(&line), Relaxed) + cost(&line);
        self.lines.push_back(line);
        if self.file.is_some() || all > MOST {
            // Two for each that comes: they become fewer, and the case does not wait until all are written.
            self.error = self.write(2).err();
        }
    }

    /// Writes the oldest lines.
    fn write(&mut self, most: usize) -> Result<&mut Output> {
        let mut file = match self.file.take() {
            Some(file) => file,
            None => {
                let mut file = BufWriter::new(Masked::new(File::create(self.path)?, self.secrets));
                file.write_all(&(self.header)()?)?;
                file
            }
        };
        for _ in 0..most.min(self.lines.len()) {
            let Some(line) = self.lines.pop_front() else { break };
            self.all.fetch_sub(cost(&line), Relaxed);
            write_line(&mut file, &line)?;
        }
        Ok(self.file.insert(file))
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        self.all.fetch_sub(self.lines.iter().map(cost).sum(), Relaxed);
    }
}

fn cost(line: &Line) -> usize {
    LINE + line.size()
}

impl Record for Draft<'_> {
    fn event(&mut self, event: Event) {
        self.take(|| Line::Event(event));
    }

    fn doing(&mut self, doing: &Doing) {
        self.take(|| Line::Doing(doing.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actor::{Blob, Part, What, WireId};

    const HEADER: &dyn Fn() -> Result<Vec<u8>> = &|| Ok(b"head\n".to_vec());

    fn event(seq: u64, length: usize) -> Event {
        let bytes = Blob(vec![b'x'; length]);
        Event { at: 0, seq, what: What::Bytes { wire: WireId::STDIO, part: Part::Main, bytes } }
    }

    fn text(events: &[Event]) -> Vec<u8> {
        let mut text = HEADER().expect("it is in memory");
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
        let all = AtomicUsize::new(0);
        let draft = || {
            let mut draft = Draft::new(&path, &secrets, HEADER, &all);
            draft.event(event(1, 3));
            draft
        };
        draft().discard().expect("there is nothing");
        assert!(!path.exists());
        let mut kept = draft();
        kept.event(event(2, 0));
        kept.keep().expect("the folder is there");
        assert_eq!(std::fs::read(&path).expect("it was kept"), text(&[event(1, 3), event(2, 0)]));
        assert_eq!(all.into_inner(), 0);
    }

    #[test]
    fn what_is_long_is_a_file_at_once_and_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("t.jsonl");
        let secrets = Secrets::default();
        let all = AtomicUsize::new(0);
        let draft = || {
            let mut draft = Draft::new(&path, &secrets, HEADER, &all);
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
        assert_eq!(all.into_inner(), 0);
    }

    #[test]
    fn what_others_hold_counts_too() {
        let folder = tempfile::tempdir().expect("a folder");
        let (one, other) = (folder.path().join("1.jsonl"), folder.path().join("2.jsonl"));
        let secrets = Secrets::default();
        let all = AtomicUsize::new(0);
        let mut large = Draft::new(&one, &secrets, HEADER, &all);
        large.event(event(1, MOST - 2 * LINE));
        let mut small = Draft::new(&other, &secrets, HEADER, &all);
        small.event(event(1, 0));
        assert!(!one.exists() && !other.exists());
        small.event(event(2, 0));
        assert!(!one.exists() && other.exists());
        drop(large);
        assert_eq!(all.load(Relaxed), 0);
        small.event(event(3, 0));
        small.keep().expect("the folder is there");
        let whole = text(&[event(1, 0), event(2, 0), event(3, 0)]);
        assert_eq!(std::fs::read(&other).expect("it was kept"), whole);
    }

    #[test]
    fn what_cannot_be_written_is_told_at_the_end() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("none/t.jsonl");
        let secrets = Secrets::default();
        let all = AtomicUsize::new(0);
        let draft = || {
            let mut draft = Draft::new(&path, &secrets, HEADER, &all);
            draft.event(event(1, MOST));
            draft.event(event(2, 3));
            draft
        };
        assert!(draft().keep().is_err());
        assert!(draft().discard().is_err());
    }
}
