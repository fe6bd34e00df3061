//! Targets of requests as text again.

/// Percent-decoded; in a query `+` is a space.
pub(super) fn decoded(text: &str, is_query: bool) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        let digits = rest.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
        match (byte, digits.and_then(|digits| u8::from_str_radix(digits, 16).ok())) {
            (b'%', Some(coded)) => {
                bytes.push(coded);
                rest = &rest[2..];
            }
            (b'+', _) if is_query => bytes.push(b' '),
            (byte, _) => bytes.push(*byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::decoded;

    #[test]
    fn what_is_no_code_stays() {
        assert_eq!(decoded("a%40b+c%zz%4", true), "a@b c%zz%4");
        assert_eq!(decoded("/a+b%2Fc", false), "/a+b/c");
    }
}
