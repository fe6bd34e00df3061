//! Outputs, their secrets hidden.

use std::io::{Result, Write};

use super::{Incoming, Secrets};

/// A writer through which no value of a secret passes.
pub struct Masked<W: Write> {
    out: W,
    secrets: Secrets,
    stream: Incoming,
}

impl<W: Write> Masked<W> {
    /// Hides what is written to `out`.
    pub fn new(out: W, secrets: &Secrets) -> Self {
        Self { out, secrets: secrets.clone(), stream: Incoming::default() }
    }
}

impl<W: Write> Write for Masked<W> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        if self.secrets.is_empty() {
            return self.out.write(bytes);
        }
        let free = self.stream.take(&self.secrets, bytes.to_vec());
        self.out.write_all(&free)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<()> {
        let free = self.stream.pause();
        self.out.write_all(&free)?;
        self.out.flush()
    }
}

impl<W: Write> Drop for Masked<W> {
    fn drop(&mut self) {
        let rest = self.stream.end(&self.secrets);
        let _ = self.out.write_all(&rest).and_then(|()| self.out.flush());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_written_in_two_is_hidden() {
        let mut secrets = Secrets::default();
        secrets.add("k", "0123456789").unwrap();
        let mut bytes = Vec::new();
        let mut out = Masked::new(&mut bytes, &secrets);
        out.write_all(b"a01234").unwrap();
        out.flush().unwrap();
        out.write_all(b"56789b").unwrap();
        drop(out);
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.starts_with('a') && text.ends_with('b') && text.len() == 12 && !text.contains("0123"));
    }
}
