//! What comes on a stream, its secrets hidden, also where reading cut them.

use super::Secrets;

/// So many bytes of a value may be shown when the stream pauses after them: they end innocent texts too.
const SHOWN: usize = 3;

/// One stream.
#[derive(Default)]
pub struct Incoming {
    /// Bytes that a value begins with, and what follows may complete.
    held: Vec<u8>,
    /// How many of them were given out already.
    shown: usize,
}

impl Incoming {
    /// Takes bytes; gives what is sure to be no part of a value, values replaced.
    pub fn take(&mut self, secrets: &Secrets, bytes: Vec<u8>) -> Vec<u8> {
        if secrets.is_empty() {
            return bytes;
        }
        let shown = std::mem::take(&mut self.shown);
        let mut all = std::mem::take(&mut self.held);
        all.extend(bytes);
        let held = hide(secrets, &mut all);
        self.held = all.split_off(held);
        self.shown = shown.saturating_sub(held);
        all.split_off(shown.min(held))
    }

    /// Whether bytes are held back that a pause of the stream sets free.
    pub fn waits(&self) -> bool {
        self.held.len() > self.shown && self.held.len() <= SHOWN
    }

    /// The stream pauses: what is held and short is given out, and remembered.
    pub fn pause(&mut self) -> Vec<u8> {
        if !self.waits() {
            return Vec::new();
        }
        let free = self.held[self.shown..].to_vec();
        self.shown = self.held.len();
        free
    }

    /// The stream has ended: what is held is given out, hidden if it is much of a value.
    pub fn end(&mut self, secrets: &Secrets) -> Vec<u8> {
        let shown = std::mem::take(&mut self.shown);
        let mut rest = std::mem::take(&mut self.held);
        for swap in &secrets.swaps {
            if let Some((false, places)) = follow(&rest, &swap.value)
                && places.len() > SHOWN
            {
                cover(&mut rest, &places, &swap.holder);
                break;
            }
        }
        rest.split_off(shown.min(rest.len()))
    }
}

/// Replaces every value; gives where one begins that the end of the bytes has cut.
fn hide(secrets: &Secrets, bytes: &mut [u8]) -> usize {
    let mut first = [false; 256];
    secrets.swaps.iter().for_each(|swap| first[usize::from(swap.value[0])] = true);
    let mut at = 0;
    while let Some(found) = bytes[at..].iter().position(|byte| first[usize::from(*byte)]) {
        at += found;
        let mut cut = false;
        let whole = secrets.swaps.iter().find_map(|swap| match follow(&bytes[at..], &swap.value)? {
            (true, places) => Some((places, &swap.holder)),
            (false, _) => {
                cut = true;
                None
            }
        });
        match whole {
            Some((places, holder)) => {
                cover(&mut bytes[at..], &places, holder);
                at += places.last().map_or(1, |last| last + 1);
            }
            None if cut => return at,
            None => at += 1,
        }
    }
    bytes.len()
}

fn cover(bytes: &mut [u8], places: &[usize], holder: &[u8]) {
    for (place, byte) in places.iter().zip(holder) {
        bytes[*place] = *byte;
    }
}

/// Whether a value, or the beginning of one that the end has cut, stands at the start of the bytes: all of it, and
/// where its bytes are. The line between two chunks of an HTTP body may stand within it.
fn follow(bytes: &[u8], value: &[u8]) -> Option<(bool, Vec<usize>)> {
    let (mut places, mut at) = (Vec::new(), 0);
    for wanted in value {
        if !places.is_empty() && bytes.get(at) == Some(&b'\r') {
            match between(&bytes[at..])? {
                Some(length) => at += length,
                None => return Some((false, places)),
            }
        }
        match bytes.get(at) {
            None => return Some((false, places)),
            Some(byte) if byte == wanted => places.push(at),
            Some(_) => return None,
        }
        at += 1;
    }
    Some((true, places))
}

/// The length of the line between two chunks: the end of one, the size of the next; `Some(None)` if it is cut.
/// Source: RFC 9112, section 7.1.
fn between(bytes: &[u8]) -> Option<Option<usize>> {
    const LONGEST: usize = 64;
    let Some(line) = bytes.strip_prefix(b"\r\n") else { return (bytes.len() < 2).then_some(None) };
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let is_last = line[..digits].iter().all(|byte| *byte == b'0');
    match line[digits..].first() {
        None if digits < LONGEST => Some(None),
        Some(b'\r' | b';') if digits > 0 && !is_last => {
            let end = line.iter().take(LONGEST).position(|byte| *byte == b'\n');
            match end {
                Some(end) => Some(Some(2 + end + 1)),
                None => (line.len() < LONGEST).then_some(None),
            }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn secrets() -> Secrets {
        let mut secrets = Secrets::default();
        secrets.add("a", "abcabcabd").unwrap();
        secrets.add("b", "cabcabcx/").unwrap();
        secrets
    }

    proptest! {
        #[test]
        fn chunks_do_not_matter(text in "(abc|abd|x/|abcabcabd|cabcabcx/|[abcdx]){0,20}", cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..8)) {
            let secrets = secrets();
            let mut whole = Incoming::default();
            let mut wanted = whole.take(&secrets, text.clone().into_bytes());
            wanted.extend(whole.end(&secrets));
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
            cuts.sort_unstable();
            let (mut stream, mut got, mut at) = (Incoming::default(), Vec::new(), 0);
            for cut in cuts.into_iter().chain([text.len()]) {
                got.extend(stream.take(&secrets, text.as_bytes()[at..cut].to_vec()));
                at = cut;
            }
            got.extend(stream.end(&secrets));
            prop_assert_eq!(got.len(), text.len());
            prop_assert_eq!(&got, &wanted);
            let got = String::from_utf8(got).unwrap();
            prop_assert!(!got.contains("abcabcabd") && !got.contains("cabcabcx/"));
        }
    }

    #[test]
    fn chunks_of_http_do_not_matter() {
        let secrets = secrets();
        let body = b"4\r\nxabc\r\n5;x=1\r\nabcab\r\n2\r\nd!\r\n0\r\n\r\nab\r\n0\r\n\r\n";
        for size in 1..body.len() {
            let (mut stream, mut got) = (Incoming::default(), Vec::new());
            body.chunks(size).for_each(|chunk| got.extend(stream.take(&secrets, chunk.to_vec())));
            got.extend(stream.end(&secrets));
            let text = String::from_utf8(got).unwrap();
            assert!(
                text.starts_with("4\r\nx") && text.ends_with("!\r\n0\r\n\r\nab\r\n0\r\n\r\n"),
                "{text:?}"
            );
            assert!(
                text.contains("\r\n5;x=1\r\n") && !text.contains("abc") && !text.contains("abd"),
                "{text:?}"
            );
        }
    }

    #[test]
    fn a_pause_sets_few_bytes_free_and_the_rest_is_hidden_still() {
        let secrets = secrets();
        let mut stream = Incoming::default();
        assert_eq!(stream.take(&secrets, b"xyz ab".to_vec()), b"xyz ");
        assert!(stream.waits());
        assert_eq!(stream.pause(), b"ab");
        let rest = stream.take(&secrets, b"cabcabd!".to_vec());
        assert_eq!(rest.len(), 8);
        assert!(rest.ends_with(b"!") && !rest.starts_with(b"cabcabd"));
        assert_eq!(stream.take(&secrets, b"abcab".to_vec()), b"");
        assert!(!stream.waits());
        assert_eq!(stream.end(&secrets).len(), 5);
    }
}
