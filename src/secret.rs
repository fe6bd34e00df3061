//! Secrets of a subject: the wire carries the value, everything else a place holder of the same length.
//!
//! The shell swaps the two, both ways ([`Incoming`] across the bounds of chunks too). What decoding puts together again
//! (a body cut into HTTP chunks inside the value) is caught where outputs are written ([`Masked`]).

mod incoming;
mod masked;

pub use incoming::Incoming;
pub use masked::Masked;

use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use crate::datum::Datum;

/// Fewest characters: what is shorter stands in innocent texts too.
const SHORTEST: usize = 8;
/// Most characters.
const LONGEST: usize = 4096;

/// The secrets of a subject, by name.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secrets {
    holders: BTreeMap<String, String>,
    swaps: Vec<Swap>,
}

/// A form of a value and what stands for it; both have the same length.
#[derive(Clone, PartialEq, Eq)]
struct Swap {
    value: Vec<u8>,
    holder: Vec<u8>,
}

/// A secret shows itself to nobody.
impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Secrets").field(&self.holders).finish()
    }
}

impl Secrets {
    /// Place holders without values, as a stored run knows them.
    pub fn of_holders(holders: BTreeMap<String, String>) -> Self {
        Self { holders, swaps: Vec::new() }
    }

    /// Adds a secret.
    ///
    /// # Errors
    /// Why this value cannot be kept secret.
    pub fn add(&mut self, name: &str, value: &str) -> Result<(), String> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=:@!$*,;%#?(){}[]|^`".contains(&byte);
        if !(SHORTEST..=LONGEST).contains(&value.len()) || !value.bytes().all(fits) {
            return Err(format!(
                "the secret `{name}` has to be {SHORTEST} to {LONGEST} characters of ASCII that need no escapes: \
                 what is shorter would be found in innocent texts"
            ));
        }
        for (form, value) in forms(value).into_iter().enumerate() {
            let holder = holder(name, form, value.len());
            if form == 0 {
                self.holders.insert(name.into(), holder.clone());
            }
            self.swaps.push(Swap { value: value.into_bytes(), holder: holder.into_bytes() });
        }
        self.swaps.sort_by_key(|swap| std::cmp::Reverse(swap.value.len()));
        Ok(())
    }

    /// Whether there is nothing to hide.
    pub fn is_empty(&self) -> bool {
        self.swaps.is_empty()
    }

    /// The names and what stands for their values.
    pub fn holders(&self) -> &BTreeMap<String, String> {
        &self.holders
    }

    /// The holder of a secret that no name of a scenario stands for any more.
    pub fn unname(&mut self, name: &str) -> Option<String> {
        self.holders.remove(name)
    }

    /// Puts the values in the place of their holders: for what goes out.
    pub fn reveal(&self, bytes: &mut [u8]) {
        for Swap { value, holder } in &self.swaps {
            replace(bytes, holder, value);
        }
    }

    /// The same of a text.
    pub fn revealed(&self, text: &str) -> String {
        let mut bytes = text.as_bytes().to_vec();
        self.reveal(&mut bytes);
        String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
    }

    /// Puts the holders in the place of the values: for what comes in, or is written anywhere.
    pub fn hide(&self, bytes: &mut [u8]) {
        for Swap { value, holder } in &self.swaps {
            replace(bytes, value, holder);
        }
    }

    /// The same of a text.
    pub fn hidden(&self, text: &str) -> String {
        let mut bytes = text.as_bytes().to_vec();
        self.hide(&mut bytes);
        String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
    }

    /// The same of every text and byte string in a value.
    pub fn hidden_in(&self, datum: &Datum) -> Datum {
        match datum {
            Datum::Array(items, style) => {
                Datum::Array(items.iter().map(|item| self.hidden_in(item)).collect(), *style)
            }
            Datum::Map(pairs, style) => {
                let hide = |(key, value): &(Datum, Datum)| (self.hidden_in(key), self.hidden_in(value));
                Datum::Map(pairs.iter().map(hide).collect(), *style)
            }
            other => match other.as_text() {
                Some(text) => Datum::text(self.hidden(&text)),
                None => other.clone(),
            },
        }
    }
}

/// A value as it is, and as URLs, JSON texts, hex dumps and base64 write it, where that differs.
fn forms(value: &str) -> Vec<String> {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD_NO_PAD;
    let percent = |upper: bool| {
        value.bytes().fold(String::new(), |mut text, byte| {
            let _ = match (byte.is_ascii_alphanumeric() || b"-._~".contains(&byte), upper) {
                (true, _) => write!(text, "{}", char::from(byte)),
                (false, true) => write!(text, "%{byte:02X}"),
                (false, false) => write!(text, "%{byte:02x}"),
            };
            text
        })
    };
    let hex = value.bytes().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    });
    let others = [
        percent(true),
        percent(false),
        value.replace('/', "\\/"),
        hex.to_uppercase(),
        hex,
        STANDARD_NO_PAD.encode(value),
    ];
    let mut forms = vec![value.to_owned()];
    for other in others {
        if !forms.contains(&other) {
            forms.push(other);
        }
    }
    forms
}

/// What stands for a form of a value: its name where there is room, and a tail that no text has by chance.
fn holder(name: &str, form: usize, length: usize) -> String {
    let digest = Sha256::digest(format!("plugfest secret {name} {form}"));
    let tail = digest.iter().cycle().flat_map(|byte| {
        [byte >> 4, byte & 15].map(|half| char::from(b"ghjkmnpqrstvwxyz"[usize::from(half)]))
    });
    let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    let head = format!("{name}.hidden.");
    let head = if head.len() + SHORTEST / 2 <= length { head } else { String::new() };

    head.chars().chain(tail).take(length).collect()
}

/// Replaces in place; `old` and `new` have the same length.
fn replace(bytes: &mut [u8], old: &[u8], new: &[u8]) {
    let mut at = 0;
    while let Some(found) = bytes[at..].windows(old.len()).position(|window| window == old) {
        at += found;
        bytes[at..at + old.len()].copy_from_slice(new);
        at += old.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_and_its_holder_change_places() {
        let mut secrets = Secrets::default();
        secrets.add("api_key", "sk-1/2+3 ").unwrap_err();
        secrets.add("api_key", "short").unwrap_err();
        secrets.add("api_key", "sk-1/2+3-a-longer-one").unwrap();
        let holder = secrets.holders()["api_key"].clone();
        assert!(holder.starts_with("apikey.hidden.") && holder.len() == 21, "{holder}");
        for text in [
            "key=sk-1/2+3-a-longer-one",
            "a sk-1%2F2%2B3-a-longer-one sk-1%2f2%2b3-a-longer-one",
            r"sk-1\/2+3-a-longer-one",
            "736b2d312f322b332d612d6c6f6e6765722d6f6e65",
            "c2stMS8yKzMtYS1sb25nZXItb25l",
        ] {
            let hidden = secrets.hidden(text);
            assert!(!hidden.contains("longer") && hidden.len() == text.len() && hidden != text, "{hidden}");
            assert_eq!(secrets.revealed(&hidden), text);
        }
        assert!(!format!("{secrets:?}").contains("sk-1"));
    }

    #[test]
    fn every_text_of_a_value_is_hidden() {
        let mut secrets = Secrets::default();
        secrets.add("k", "0123456789").unwrap();
        let datum = Datum::map([("0123456789", Datum::array([Datum::text("a0123456789"), Datum::Null]))]);
        assert!(!secrets.hidden_in(&datum).to_string().contains("0123456789"));
    }
}
