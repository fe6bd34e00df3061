//! Values short enough for a message.

use super::Datum;

/// Longest text that [`brief`] gives, in characters.
const LIMIT: usize = 400;
/// Longest piece of one text or byte string in it, in characters or bytes.
const PIECE: usize = 64;

/// The notation of a value, abbreviated and free of control characters: fit for a terminal and a report.
pub fn brief(datum: &Datum) -> String {
    let text = shorten(datum).to_string();
    match text.char_indices().nth(LIMIT) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text,
    }
}

/// The same tree with long leaves cut and long lists ended by a remark.
fn shorten(datum: &Datum) -> Datum {
    match datum {
        Datum::Text(text, head) if text.len() > PIECE => {
            let kept: String = text.chars().take(PIECE).collect();
            Datum::Text(format!("{kept}… ({} bytes)", text.len()), *head)
        }
        Datum::Bytes(bytes, head) if bytes.len() > PIECE => Datum::Bytes(bytes[..PIECE].to_vec(), *head),
        Datum::Array(items, head) => Datum::Array(items.iter().take(PIECE).map(shorten).collect(), *head),
        Datum::Map(entries, head) => Datum::Map(
            entries.iter().take(PIECE).map(|(key, value)| (shorten(key), shorten(value))).collect(),
            *head,
        ),
        Datum::Tag(number, head, inner) => Datum::Tag(*number, *head, Box::new(shorten(inner))),
        other => other.clone(),
    }
}
