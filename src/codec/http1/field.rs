//! Header fields (RFC 9110 section 5, RFC 9112 section 5), of heads, of trailers and of the parts of a form.

use crate::datum::Datum;

/// Most fields of one head. A limit of ours, far above what any peer sends.
pub const FIELDS: usize = 256;

/// What is wrong in a run of bytes, and where in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The first offending byte, counted from the start of the run.
    pub at: usize,
    /// What is wrong with it.
    pub reason: String,
}

impl Fault {
    /// A fault at a place.
    pub fn new(at: usize, reason: impl Into<String>) -> Self {
        Self { at, reason: reason.into() }
    }
}

/// Header fields in wire order, names in lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(Vec<(String, String)>);

impl Fields {
    /// Reads lines of fields, each with its line end; `at` is added to the places of faults.
    ///
    /// # Errors
    /// The first line that is no field.
    pub fn parse(block: &[u8], mut at: usize) -> Result<Self, Fault> {
        let mut fields = Self::default();
        for line in block.split_inclusive(|byte| *byte == b'\n') {
            if fields.0.len() == FIELDS {
                return Err(Fault::new(at, format!("there are more than {FIELDS} fields")));
            }
            let (name, value) = field(trim_end(line), at)?;
            fields.push(&name, &value);
            at += line.len();
        }
        Ok(fields)
    }

    /// Appends a field.
    pub fn push(&mut self, name: &str, value: &str) {
        self.0.push((name.to_ascii_lowercase(), value.to_owned()));
    }

    /// The fields in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// The values of a field, whose name is given in lower case.
    pub fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(other, _)| other == name).map(|(_, value)| &**value)
    }

    /// The first value of a field.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| &**value)
    }

    /// The elements of a field that is a list, in lower case.
    pub fn list(&self, name: &str) -> Vec<String> {
        let values = self.all(name).flat_map(|value| value.split(','));
        values.map(|item| item.trim().to_ascii_lowercase()).filter(|item| !item.is_empty()).collect()
    }

    /// A map by name; a field that is repeated is a list.
    pub fn datum(&self) -> Datum {
        let mut entries: Vec<(&str, Vec<&str>)> = Vec::new();
        for (name, value) in self.iter() {
            match entries.iter_mut().find(|(other, _)| *other == name) {
                Some((_, values)) => values.push(value),
                None => entries.push((name, vec![value])),
            }
        }
        Datum::map(entries.into_iter().map(|(name, values)| match values[..] {
            [value] => (name, value.into()),
            _ => (name, Datum::array(values.into_iter().map(Datum::from))),
        }))
    }
}

/// A line without its line end. A line feed alone ends a line too (RFC 9112 section 2.2).
pub(super) fn trim_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

fn field(line: &[u8], at: usize) -> Result<(String, String), Fault> {
    if matches!(line.first(), Some(b' ' | b'\t')) {
        return Err(Fault::new(at, "a field goes on in the next line (RFC 9112 section 5.2)"));
    }
    let Some(colon) = line.iter().position(|byte| *byte == b':') else {
        return Err(Fault::new(at, "a field has no colon"));
    };
    let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
    if !is_token(name) {
        return Err(Fault::new(at, "the name of a field is no token (RFC 9110 section 5.6.2)"));
    }
    if let Some(offset) = line.iter().position(|byte| is_control(*byte)) {
        return Err(Fault::new(at + offset, "a control character in a field"));
    }
    Ok((text(name), text(value)))
}

/// Whether these bytes are a token (RFC 9110 section 5.6.2).
pub(super) fn is_token(bytes: &[u8]) -> bool {
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !bytes.is_empty() && bytes.iter().all(is_token)
}

/// Whether no field may hold this byte.
pub(super) fn is_control(byte: u8) -> bool {
    byte != b'\t' && byte.is_ascii_control()
}

/// UTF-8 as it is; other bytes as ISO 8859-1, which fields once were.
pub(super) fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_are_a_list() {
        let fields = Fields::parse(b"A: 1\r\nb:2\r\na:\t3 , x \r\n", 0).unwrap();
        assert_eq!(fields.datum().to_string(), r#"{"a": ["1", "3 , x"], "b": "2"}"#);
        assert_eq!(fields.list("a"), ["1", "3", "x"]);
        assert_eq!(fields.get("b"), Some("2"));
    }

    #[test]
    fn faults_have_a_place() {
        let fault = |block: &[u8]| Fields::parse(block, 10).expect_err("no fields").at;
        assert_eq!(fault(b"a: 1\r\nb\r\n"), 16);
        assert_eq!(fault(b"a: 1\r\n b: 2\r\n"), 16);
        assert_eq!(fault(b"a : 1\r\n"), 10);
        assert_eq!(fault(b"a: 1\x002\r\n"), 14);
        assert_eq!(fault(&b"a: 1\n".repeat(FIELDS + 1)), 10 + 5 * FIELDS);
    }
}
