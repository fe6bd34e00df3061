//! Values to CBOR: the width of every head and float as the value has it.

use crate::codec::Sink;
use crate::datum::{Datum, Head, Width};

/// Appends the bytes of a value.
pub fn encode(datum: &Datum, out: &mut impl Sink) {
    match datum {
        Datum::Null => out.bytes(&[0xf6]),
        Datum::Undefined => out.bytes(&[0xf7]),
        Datum::Bool(value) => out.bytes(&[if *value { 0xf5 } else { 0xf4 }]),
        Datum::Simple(number @ 0..=23) => out.bytes(&[0xe0 | number]),
        Datum::Simple(number) => out.bytes(&[0xf8, *number]),
        Datum::Int(int) => encode_head(u8::from(int.negative), int.argument, int.head, out),
        Datum::Float(value, width) => encode_float(*value, *width, out),
        Datum::Text(text, head) => {
            encode_head(3, text.len() as u64, *head, out);
            out.bytes(text.as_bytes());
        }
        Datum::Bytes(bytes, head) => {
            encode_head(2, bytes.len() as u64, *head, out);
            out.bytes(bytes);
        }
        Datum::Chunks(is_text, chunks) => {
            out.bytes(&[if *is_text { 0x7f } else { 0x5f }]);
            chunks.iter().for_each(|chunk| encode(chunk, out));
            out.bytes(&[0xff]);
        }
        Datum::Array(items, head) => {
            encode_head(4, items.len() as u64, *head, out);
            items.iter().for_each(|item| encode(item, out));
            encode_break(*head, out);
        }
        Datum::Map(entries, head) => {
            encode_head(5, entries.len() as u64, *head, out);
            for (key, value) in entries {
                encode(key, out);
                encode(value, out);
            }
            encode_break(*head, out);
        }
        Datum::Tag(number, head, inner) => {
            encode_head(6, *number, *head, out);
            encode(inner, out);
        }
        Datum::Gen(generated) => {
            let major = if generated.kind() == "text" { 3 } else { 2 };
            encode_head(major, generated.len(), Head::Preferred, out);
            out.generated(generated);
        }
        Datum::Package(name) => encode(&Datum::text(name), out),
    }
}

fn encode_head(major: u8, argument: u64, head: Head, out: &mut impl Sink) {
    let major = major << 5;
    let bytes = argument.to_be_bytes();
    match head.max(argument) {
        Head::Indefinite => out.bytes(&[major | 31]),
        Head::One => out.bytes(&[major | 24, bytes[7]]),
        Head::Two => out.bytes(&[major | 25, bytes[6], bytes[7]]),
        Head::Four => out.bytes(&[major | 26, bytes[4], bytes[5], bytes[6], bytes[7]]),
        Head::Eight => {
            out.bytes(&[major | 27]);
            out.bytes(&bytes);
        }
        Head::Preferred => out.bytes(&[major | argument as u8]),
    }
}

impl Head {
    /// The smallest form that holds the argument and is not smaller than asked for.
    fn max(self, argument: u64) -> Head {
        let needed = match argument {
            0..=23 => Head::Preferred,
            24..=0xff => Head::One,
            0x100..=0xffff => Head::Two,
            0x1_0000..=0xffff_ffff => Head::Four,
            _ => Head::Eight,
        };
        let rank = |head: Head| head as u8;
        if rank(self) > rank(needed) { self } else { needed }
    }
}

fn encode_break(head: Head, out: &mut impl Sink) {
    if head == Head::Indefinite {
        out.bytes(&[0xff]);
    }
}

fn encode_float(value: f64, width: Width, out: &mut impl Sink) {
    match width {
        Width::Half => {
            out.bytes(&[0xf9]);
            out.bytes(&half_bits(value).to_be_bytes());
        }
        Width::Single => {
            out.bytes(&[0xfa]);
            out.bytes(&single_bits(value).to_be_bytes());
        }
        Width::Double => {
            out.bytes(&[0xfb]);
            out.bytes(&value.to_bits().to_be_bytes());
        }
    }
}

fn single_bits(value: f64) -> u32 {
    if value.is_nan() {
        let bits = value.to_bits();
        let fraction = (bits >> 29 & 0x7f_ffff) as u32;
        return ((bits >> 63) as u32) << 31 | 0xff << 23 | if fraction == 0 { 1 << 22 } else { fraction };
    }
    (value as f32).to_bits()
}

/// binary64 to the nearest binary16.
fn half_bits(value: f64) -> u16 {
    let bits = value.to_bits();
    let sign = ((bits >> 63) as u16) << 15;
    if value.is_nan() {
        let fraction = (bits >> 42 & 0x3ff) as u16;
        return sign | 0x7c00 | if fraction == 0 { 0x200 } else { fraction };
    }
    let magnitude = value.abs();
    if magnitude >= 65520.0 {
        return sign | 0x7c00;
    }
    if magnitude < 2f64.powi(-14) {
        return sign | (magnitude * 2f64.powi(24)).round_ties_even() as u16;
    }
    let exponent = (magnitude.to_bits() >> 52) as i32 - 1023;
    let steps = (magnitude / 2f64.powi(exponent - 10)).round_ties_even() as i32 - 1024;
    sign | (((exponent + 15) << 10) + steps) as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::cbor::from_half;

    #[test]
    fn every_half_survives_the_round_trip() {
        for bits in 0..=u16::MAX {
            assert_eq!(half_bits(from_half(bits)), bits, "{bits:04x}");
        }
    }
}
