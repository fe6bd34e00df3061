//! JSON texts as values: order and duplicates of keys are kept.

use std::fmt;
use std::io::{self, Write};

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::Sink;
use crate::datum::{Datum, Generated};

/// Reads one JSON text.
///
/// # Errors
/// What is wrong, with line and column.
pub fn parse(bytes: &[u8]) -> Result<Datum, serde_json::Error> {
    serde_json::from_slice(bytes)
}

/// Appends a value as JSON on one line.
///
/// # Errors
/// A value that JSON cannot say: bytes, a tag, a key that is no text, a number that is not finite.
pub fn encode(datum: &Datum, out: &mut impl Sink) -> Result<(), String> {
    match datum {
        Datum::Null => out.bytes(b"null"),
        Datum::Bool(value) => out.bytes(if *value { b"true" } else { b"false" }),
        Datum::Int(int) => {
            write!(Writer(out), "{}", int.value()).expect("a sink takes everything");
        }
        Datum::Float(value, _) if value.is_finite() => {
            out.bytes(serde_json::Number::from_f64(*value).expect("finite").to_string().as_bytes());
        }
        Datum::Gen(generated) if generated.kind() == "text" => match generated {
            Generated::Repeat(unit, _) if !is_plain(unit) => {
                return encode(&Datum::text(datum.as_text().unwrap_or_default()), out);
            }
            _ => {
                out.bytes(b"\"");
                out.generated(generated);
                out.bytes(b"\"");
            }
        },
        Datum::Array(items, _) => {
            out.bytes(b"[");
            for (n, item) in items.iter().enumerate() {
                if n > 0 {
                    out.bytes(b", ");
                }
                encode(item, out)?;
            }
            out.bytes(b"]");
        }
        Datum::Map(entries, _) => {
            out.bytes(b"{");
            for (n, (key, value)) in entries.iter().enumerate() {
                if n > 0 {
                    out.bytes(b", ");
                }
                let Some(key) = key.as_text() else { return Err(format!("the key {key} is no text")) };
                quote(&key, out);
                out.bytes(b": ");
                encode(value, out)?;
            }
            out.bytes(b"}");
        }
        other => match other.as_text() {
            Some(text) => quote(&text, out),
            None => return Err(format!("JSON has no {}", other.kind())),
        },
    }
    Ok(())
}

/// How many bytes a value has as JSON without blanks: as many as we write, less ours.
pub fn shortest(datum: &Datum) -> usize {
    match datum {
        Datum::Array(items, _) => items.iter().map(|item| shortest(item) + 1).sum::<usize>().max(1) + 1,
        Datum::Map(entries, _) => {
            let entry = |(key, value): &(Datum, Datum)| shortest(key) + shortest(value) + 2;
            entries.iter().map(entry).sum::<usize>().max(1) + 1
        }
        scalar => {
            let mut count = Count(0);
            encode(scalar, &mut count).map_or(1, |()| count.0)
        }
    }
}

/// Counts what is written to it.
struct Count(usize);

impl Sink for Count {
    fn bytes(&mut self, bytes: &[u8]) {
        self.0 += bytes.len();
    }

    fn generated(&mut self, generated: &Generated) {
        self.0 += generated.len() as usize;
    }
}

fn quote(text: &str, out: &mut impl Sink) {
    if is_plain(text) {
        out.bytes(b"\"");
        out.bytes(text.as_bytes());
        out.bytes(b"\"");
    } else {
        serde_json::to_writer(Writer(out), text).expect("a text is JSON, and a sink takes everything");
    }
}

/// Whether a text stands in JSON as it is. Blocks are looked at whole, which takes many bytes at once.
fn is_plain(text: &str) -> bool {
    let is_odd = |byte: &u8| (*byte < 0x20) | (*byte == b'"') | (*byte == b'\\');
    text.as_bytes().chunks(256).all(|block| !block.iter().fold(false, |odd, byte| odd | is_odd(byte)))
}

/// A sink, as a writer.
struct Writer<'a, S>(&'a mut S);

impl<S: Sink> io::Write for Writer<'_, S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.bytes(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Datum {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DatumVisitor)
    }
}

struct DatumVisitor;

impl<'de> Visitor<'de> for DatumVisitor {
    type Value = Datum;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Datum, E> {
        Ok(Datum::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Datum, E> {
        Ok(Datum::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Datum, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Datum, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Datum, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, text: &str) -> Result<Datum, E> {
        Ok(text.into())
    }

    fn visit_string<E>(self, text: String) -> Result<Datum, E> {
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Datum, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Datum::array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Datum, A::Error> {
        let mut entries = Vec::new();
        while let Some((key, value)) = map.next_entry::<String, Datum>()? {
            entries.push((key, value));
        }
        Ok(Datum::map(entries))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::strategy::json::any_json;

    #[test]
    fn without_blanks_it_is_the_length() {
        for text in [
            r#"{"a":[true,null,"\n\u0001\"ü"],"b":{},"c":[],"d":7}"#,
            "[]",
            "[[1],false]",
            r#"{"n":[100000,-12345.5]}"#,
        ] {
            assert_eq!(shortest(&parse(text.as_bytes()).expect("JSON")), text.len(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn encode_and_parse_are_inverse(datum in any_json()) {
            let mut bytes = Vec::new();
            encode(&datum, &mut bytes).unwrap();
            prop_assert_eq!(parse(&bytes).unwrap(), datum);
        }

        #[test]
        fn nothing_is_written_shorter_than_the_shortest(datum in any_json()) {
            let mut bytes = Vec::new();
            encode(&datum, &mut bytes).unwrap();
            prop_assert!(shortest(&datum) <= bytes.len());
        }

        #[test]
        fn serde_json_reads_the_same(datum in any_json()) {
            let mut bytes = Vec::new();
            encode(&datum, &mut bytes).unwrap();
            let oracle: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
            let again = serde_json::to_vec(&oracle).unwrap();
            let reparsed = parse(&again).unwrap();
            prop_assert!(crate::datum::equal(&reparsed, &datum, crate::datum::Compare::ByValue).is_ok());
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = parse(&bytes);
        }
    }

    #[test]
    fn duplicates_are_kept() {
        let datum = parse(br#"{"a": 1, "a": 2}"#).unwrap();
        assert_eq!(datum.as_map().map(<[_]>::len), Some(2));
    }

    #[test]
    fn what_json_cannot_say_is_refused() {
        assert_eq!(encode(&Datum::bytes([1]), &mut Vec::new()), Err("JSON has no bytes".into()));
        assert!(encode(&f64::NAN.into(), &mut Vec::new()).is_err());
    }
}
