//! Values short enough for a message.

use std::fmt::{self, Write};

use super::Datum;

/// Longest text that [`brief`] gives, in characters.
const LIMIT: usize = 400;
/// Longest piece of one text or byte string in it, in characters or bytes.
const PIECE: usize = 64;

/// The notation of a value, abbreviated and free of control characters: fit for a terminal and a report. It costs no
/// more than what it shows, however large the value is.
pub fn brief(datum: &Datum) -> String {
    let mut page = Page { text: String::new(), room: LIMIT };
    let written = match is_short(datum, &mut LIMIT.clone()) {
        true => write!(page, "{datum}"),
        false => write!(page, "{}", shorten(datum, &mut LIMIT.clone())),
    };
    match written {
        Ok(()) => page.text,
        Err(_) => page.text + "…",
    }
}

/// Whether [`shorten`] would change nothing: most values need no copy.
fn is_short(datum: &Datum, leaves: &mut usize) -> bool {
    *leaves = leaves.saturating_sub(1);
    *leaves > 0
        && match datum {
            Datum::Text(text, _) => text.len() <= PIECE,
            Datum::Bytes(bytes, _) => bytes.len() <= PIECE,
            Datum::Array(items, _) => items.len() <= PIECE && items.iter().all(|item| is_short(item, leaves)),
            Datum::Map(entries, _) => {
                entries.len() <= PIECE
                    && entries.iter().all(|(key, value)| is_short(key, leaves) && is_short(value, leaves))
            }
            Datum::Tag(_, _, inner) => is_short(inner, leaves),
            _ => true,
        }
}

/// Takes so many characters, and no more.
struct Page {
    text: String,
    room: usize,
}

impl Write for Page {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if text.len() <= self.room {
            self.room -= text.chars().count();
            self.text.push_str(text);
            return Ok(());
        }
        text.chars().try_for_each(|character| self.write_char(character))
    }

    fn write_char(&mut self, character: char) -> fmt::Result {
        self.room = self.room.checked_sub(1).ok_or(fmt::Error)?;
        self.text.push(character);
        Ok(())
    }
}

/// The same tree with long leaves cut, long lists ended, and nothing that stands beyond so many leaves.
fn shorten(datum: &Datum, leaves: &mut usize) -> Datum {
    *leaves = leaves.saturating_sub(1);
    match datum {
        Datum::Text(text, head) if text.len() > PIECE => {
            let kept: String = text.chars().take(PIECE).collect();
            Datum::Text(format!("{kept}… ({} bytes)", text.len()).into(), *head)
        }
        Datum::Bytes(bytes, head) if bytes.len() > PIECE => Datum::Bytes(bytes[..PIECE].to_vec(), *head),
        Datum::Array(items, head) => Datum::Array(some(items, leaves, shorten), *head),
        Datum::Map(entries, head) => {
            let entry = |(key, value): &(Datum, Datum), leaves: &mut usize| {
                (shorten(key, leaves), shorten(value, leaves))
            };
            Datum::Map(some(entries, leaves, entry), *head)
        }
        Datum::Tag(number, head, inner) => Datum::Tag(*number, *head, Box::new(shorten(inner, leaves))),
        other => other.clone(),
    }
}

/// The first of a list, while there is room for leaves.
fn some<T, U>(list: &[T], leaves: &mut usize, mut shorten: impl FnMut(&T, &mut usize) -> U) -> Vec<U> {
    let mut kept = Vec::new();
    for item in list.iter().take(PIECE) {
        if *leaves == 0 {
            break;
        }
        kept.push(shorten(item, leaves));
    }
    kept
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::strategy::cbor::plain_datum;

    proptest! {
        #[test]
        fn what_is_shown_is_the_beginning_of_all(datum in plain_datum()) {
            let all = shorten(&datum, &mut usize::MAX.clone()).to_string();
            if is_short(&datum, &mut LIMIT.clone()) {
                prop_assert_eq!(shorten(&datum, &mut LIMIT.clone()).to_string(), datum.to_string());
            }
            match all.char_indices().nth(LIMIT) {
                Some((cut, _)) => prop_assert_eq!(brief(&datum), format!("{}…", &all[..cut])),
                None => prop_assert_eq!(brief(&datum), all),
            }
        }
    }

    #[test]
    fn the_end_of_a_long_list_is_not_shown() {
        let list = Datum::array(vec![Datum::array(vec![Datum::Null; PIECE]); PIECE]);
        let shown = brief(&list);
        assert!(shown.starts_with("[[null, null") && shown.ends_with('…'), "{shown}");
        assert_eq!(shown.chars().count(), LIMIT + 1);
    }
}
