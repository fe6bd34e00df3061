//! The one notation of payloads: CBOR diagnostic notation (RFC 8949 section 8, with the encoding indicators of
//! section 8.1), of which JSON is a subset, plus `$calls` and `...`.
//!
//! [`parse`] gives a syntax tree with spans; [`super::Pattern`] gives it meaning. The printer of this notation
//! is `Datum`'s `Display`; reading what it printed gives the same value back.

use std::ops::Range;

use base64::Engine;

use super::{Datum, Head, Int, Width};

/// Deepest nesting that is read.
const DEPTH: usize = 200;

/// A piece of notation and where it stands, in bytes from the start of the text.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Where it stands.
    pub span: Range<usize>,
    /// What it is.
    pub form: Form,
}

/// What a piece of notation is.
#[derive(Clone, Debug, PartialEq)]
pub enum Form {
    /// A value without parts.
    Scalar(Datum),
    /// A text literal; it may mention `${names}`.
    Text(String, Head),
    /// `(_ "a", "b")`: chunks of an indefinite text (true) or byte string.
    Chunks(bool, Vec<Node>),
    /// `[..]`
    Array(Vec<Node>, Head),
    /// `{..}`; a rest is an entry whose key is [`Form::Rest`].
    Map(Vec<(Node, Node)>, Head),
    /// `1000(..)`
    Tag(u64, Head, Box<Node>),
    /// `<<..>>`: a byte string that holds these items, encoded.
    Embedded(Vec<Node>),
    /// `$name` or `$name(..)`
    Call(String, Vec<Arg>),
    /// `...`
    Rest,
}

/// One argument of a `$call`.
#[derive(Clone, Debug, PartialEq)]
pub enum Arg {
    /// A bare word: a name to bind, a kind of generator, a step.
    Word(String, Range<usize>),
    /// `a..b`, either end may be absent.
    Bounds(Option<i128>, Option<i128>, Range<usize>),
    /// A value or pattern.
    Value(Node),
    /// `label: pattern`
    Labelled(String, Node),
}

/// What is wrong with a notation, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// Bytes from the start of the text.
    pub span: Range<usize>,
    /// What was expected or is wrong.
    pub message: String,
}

/// Reads one value or pattern.
///
/// # Errors
/// The first place that is not notation.
pub fn parse(text: &str) -> Result<Node, SyntaxError> {
    let mut parser = Parser { text, at: 0 };
    let node = parser.value(0)?;
    parser.skip_blank()?;
    match parser.peek() {
        None => Ok(node),
        Some(_) => Err(parser.error_here("end of the value; one value is allowed here")),
    }
}

/// Reads a value that holds no `$call` and no `...`.
///
/// # Errors
/// The first place that is not notation, or is not a plain value.
pub fn parse_datum(text: &str) -> Result<Datum, SyntaxError> {
    let node = parse(text)?;
    let span = node.span.clone();
    let pattern = super::Pattern::compile(&node).map_err(|mut mistakes| mistakes.swap_remove(0))?;
    pattern.value(&super::Bindings::default()).map_err(|message| SyntaxError { span, message })
}

type Parsed<T> = Result<T, SyntaxError>;

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn value(&mut self, depth: usize) -> Parsed<Node> {
        if depth > DEPTH {
            return Err(self.error_here("nesting of at most 200 levels"));
        }
        self.skip_blank()?;
        let start = self.at;
        let form = match self.peek() {
            None => return Err(self.error_here("a value")),
            Some('{') => self.map(depth)?,
            Some('[') => self.array(depth)?,
            Some('(') => self.chunks(depth)?,
            Some('"') => {
                let text = self.quoted()?;
                Form::Text(text, self.indicator()?)
            }
            Some('$') => self.call(depth)?,
            Some('<') if self.rest().starts_with("<<") => self.embedded(depth)?,
            Some('.') if self.rest().starts_with("...") => {
                self.at += 3;
                Form::Rest
            }
            Some('-' | '0'..='9') => self.number_or_tag(depth)?,
            Some(c) if c.is_ascii_alphabetic() => self.word(depth)?,
            Some(_) => {
                return Err(
                    self.error_here("a value: null, true, 1, \"text\", h'00', [..], {..} or $matcher")
                );
            }
        };
        Ok(Node { span: start..self.at, form })
    }

    fn map(&mut self, depth: usize) -> Parsed<Form> {
        self.at += 1;
        let head = self.indefinite();
        let mut entries = Vec::new();
        self.separated('}', |parser| {
            let key = parser.value(depth + 1)?;
            let value = if key.form == Form::Rest {
                key.clone()
            } else {
                parser.expect(':', "`:` after the key")?;
                parser.value(depth + 1)?
            };
            entries.push((key, value));
            Ok(())
        })?;
        Ok(Form::Map(entries, self.indicator_or(head)?))
    }

    fn array(&mut self, depth: usize) -> Parsed<Form> {
        self.at += 1;
        let head = self.indefinite();
        let items = self.items(']', depth)?;
        Ok(Form::Array(items, self.indicator_or(head)?))
    }

    fn chunks(&mut self, depth: usize) -> Parsed<Form> {
        let start = self.at;
        self.at += 1;
        if self.indefinite() != Head::Indefinite {
            return Err(self.error_here("`_ ` after `(`: chunks are written (_ \"a\", \"b\")"));
        }
        let items = self.items(')', depth)?;
        let is_text = items.first().is_some_and(|item| matches!(item.form, Form::Text(..)));
        let uniform = items.iter().all(|item| match &item.form {
            Form::Text(..) => is_text,
            Form::Scalar(Datum::Bytes(..)) => !is_text,
            _ => false,
        });
        if !uniform {
            return Err(self.error_at(start..self.at, "chunks must be all texts or all byte strings"));
        }
        Ok(Form::Chunks(is_text, items))
    }

    fn embedded(&mut self, depth: usize) -> Parsed<Form> {
        self.at += 2;
        let mut items = Vec::new();
        loop {
            self.skip_blank()?;
            if self.rest().starts_with(">>") {
                self.at += 2;
                return Ok(Form::Embedded(items));
            }
            if !items.is_empty() {
                self.expect(',', "`,` or `>>`")?;
            }
            items.push(self.value(depth + 1)?);
        }
    }

    fn items(&mut self, close: char, depth: usize) -> Parsed<Vec<Node>> {
        let mut items = Vec::new();
        self.separated(close, |parser| {
            items.push(parser.value(depth + 1)?);
            Ok(())
        })?;
        Ok(items)
    }

    /// Reads `one, one, one CLOSE`; a comma before the end is allowed.
    fn separated(&mut self, close: char, mut one: impl FnMut(&mut Self) -> Parsed<()>) -> Parsed<()> {
        loop {
            self.skip_blank()?;
            if self.peek() == Some(close) {
                self.at += 1;
                return Ok(());
            }
            one(self)?;
            self.skip_blank()?;
            match self.peek() {
                Some(',') => self.at += 1,
                Some(c) if c == close => {}
                _ => return Err(self.error_here(&format!("`,` or `{close}`"))),
            }
        }
    }

    fn call(&mut self, depth: usize) -> Parsed<Form> {
        self.at += 1;
        let name = self.identifier();
        if name.is_empty() {
            return Err(self.error_here("the name of a matcher after `$`"));
        }
        let mut args = Vec::new();
        if self.peek() == Some('(') {
            self.at += 1;
            self.separated(')', |parser| {
                args.push(parser.argument(depth + 1)?);
                Ok(())
            })?;
        }
        Ok(Form::Call(name, args))
    }

    fn argument(&mut self, depth: usize) -> Parsed<Arg> {
        let start = self.at;
        let mut word = self.identifier();
        while self
            .rest()
            .strip_prefix('.')
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic()))
        {
            self.at += 1;
            word = format!("{word}.{}", self.identifier());
        }
        if !word.is_empty() && !matches!(self.peek(), Some('\'')) {
            let end = self.at;
            self.skip_blank()?;
            match self.peek() {
                Some(':') => {
                    self.at += 1;
                    return Ok(Arg::Labelled(word, self.value(depth)?));
                }
                Some(',' | ')') if !is_literal_word(&word) => return Ok(Arg::Word(word, start..end)),
                _ => {}
            }
        }
        self.at = start;
        if let Some(bounds) = self.bounds() {
            return Ok(bounds);
        }
        self.value(depth).map(Arg::Value)
    }

    /// `a..b`, `a..`, `..b`; gives nothing and moves nowhere if it is something else.
    fn bounds(&mut self) -> Option<Arg> {
        let start = self.at;
        let end = start + self.rest().find([',', ')'])?;
        let (low, high) = self.text[start..end].split_once("..")?;
        let bound = |text: &str| match text.trim() {
            "" => Some(None),
            number => number.parse::<i128>().ok().map(Some),
        };
        let arg = Arg::Bounds(bound(low)?, bound(high)?, start..end);
        self.at = end;
        Some(arg)
    }

    fn word(&mut self, depth: usize) -> Parsed<Form> {
        let start = self.at;
        let word = self.identifier();
        if self.peek() == Some('\'') {
            return self.byte_string(&word, start);
        }
        Ok(Form::Scalar(match word.as_str() {
            "null" => Datum::Null,
            "undefined" => Datum::Undefined,
            "true" => Datum::Bool(true),
            "false" => Datum::Bool(false),
            "NaN" => Datum::Float(f64::NAN, self.width(Width::Double)?),
            "Infinity" => Datum::Float(f64::INFINITY, self.width(Width::Double)?),
            "simple" => return self.simple(depth),
            other => {
                let message = format!("`{other}` is no value; a text is written in double quotes");
                return Err(self.error_at(start..self.at, &message));
            }
        }))
    }

    fn simple(&mut self, depth: usize) -> Parsed<Form> {
        self.expect('(', "`(` after simple")?;
        let number = self.value(depth + 1)?;
        self.expect(')', "`)`")?;
        match number.form {
            Form::Scalar(Datum::Int(int)) if int.argument < 256 && !int.negative => {
                Ok(Form::Scalar(Datum::Simple(int.argument as u8)))
            }
            _ => Err(self.error_at(number.span, "a simple value of 0 to 255")),
        }
    }

    fn byte_string(&mut self, prefix: &str, start: usize) -> Parsed<Form> {
        self.at += 1;
        let body_start = self.at;
        let Some(length) = self.rest().find('\'') else {
            return Err(self.error_at(start..self.text.len(), "a closing `'`"));
        };
        let body: String =
            self.text[body_start..body_start + length].chars().filter(|c| !c.is_whitespace()).collect();
        self.at = body_start + length + 1;
        let bytes = match prefix {
            "h" => from_hex(&body),
            "b64" => base64::engine::general_purpose::STANDARD.decode(&body).ok(),
            _ => return Err(self.error_at(start..self.at, "byte strings are written h'00ff' or b64'AP8='")),
        };
        match bytes {
            Some(bytes) => Ok(Form::Scalar(Datum::Bytes(bytes, self.indicator()?))),
            None => Err(self.error_at(start..self.at, &format!("these are no {prefix} digits"))),
        }
    }

    fn number_or_tag(&mut self, depth: usize) -> Parsed<Form> {
        let start = self.at;
        let length = self
            .rest()
            .char_indices()
            .take_while(|(at, c)| {
                let previous = self.rest()[..*at].chars().last();
                c.is_ascii_alphanumeric()
                    || (*c == '.' && !self.rest()[*at..].starts_with(".."))
                    || ((*c == '-' || *c == '+') && (*at == 0 || matches!(previous, Some('e' | 'E'))))
            })
            .last()
            .map_or(0, |(at, c)| at + c.len_utf8());
        let lexeme = &self.text[start..start + length];
        self.at += length;
        if let Some(value) = parse_integer(lexeme) {
            let head = self.indicator()?;
            let Some(int) = Int::new(value) else {
                return Err(self.error_at(start..self.at, "an integer of -2^64 to 2^64-1"));
            };
            if self.peek() == Some('(') && !int.negative {
                self.at += 1;
                let inner = self.value(depth + 1)?;
                self.expect(')', "`)` after the tagged value")?;
                return Ok(Form::Tag(int.argument, head, Box::new(inner)));
            }
            return Ok(Form::Scalar(Datum::Int(Int { head, ..int })));
        }
        let value = match lexeme {
            "-Infinity" => Some(f64::NEG_INFINITY),
            "-NaN" => Some(-f64::NAN),
            _ => lexeme.parse::<f64>().ok().filter(|value| value.is_finite()),
        };
        match value {
            Some(value) => Ok(Form::Scalar(Datum::Float(value, self.width(Width::Double)?))),
            None => Err(self.error_at(start..self.at, "a number")),
        }
    }

    /// `_0` to `_3`, the width of a head; without one the preferred form.
    fn indicator(&mut self) -> Parsed<Head> {
        self.indicator_or(Head::Preferred)
    }

    fn indicator_or(&mut self, otherwise: Head) -> Parsed<Head> {
        if self.peek() != Some('_') {
            return Ok(otherwise);
        }
        let head = match self.rest().as_bytes().get(1) {
            Some(b'0') => Head::One,
            Some(b'1') => Head::Two,
            Some(b'2') => Head::Four,
            Some(b'3') => Head::Eight,
            _ => return Err(self.error_here("an encoding indicator: _0, _1, _2 or _3")),
        };
        self.at += 2;
        Ok(head)
    }

    /// `_1` to `_3`, the width of a float.
    fn width(&mut self, otherwise: Width) -> Parsed<Width> {
        Ok(match self.indicator()? {
            Head::Two => Width::Half,
            Head::Four => Width::Single,
            Head::Eight => Width::Double,
            Head::Preferred => otherwise,
            _ => return Err(self.error_here("_1, _2 or _3 after a float")),
        })
    }

    /// `_ ` after an opening bracket.
    fn indefinite(&mut self) -> Head {
        let rest = self.rest();
        if rest.starts_with('_') && rest[1..].starts_with([' ', '\n', '\t', ']', '}', ')']) {
            self.at += 1;
            return Head::Indefinite;
        }
        Head::Preferred
    }

    fn quoted(&mut self) -> Parsed<String> {
        let start = self.at;
        let mut end = start + 1;
        let bytes = self.text.as_bytes();
        while end < bytes.len() && bytes[end] != b'"' {
            end += if bytes[end] == b'\\' { 2 } else { 1 };
        }
        if end >= bytes.len() {
            return Err(self.error_at(start..self.text.len(), "a closing `\"`"));
        }
        self.at = end + 1;
        let literal = &self.text[start..=end];
        unescape(literal).map_err(|message| SyntaxError { span: start..end + 1, message })
    }

    fn identifier(&mut self) -> String {
        let length = self
            .rest()
            .char_indices()
            .take_while(|(at, c)| {
                c.is_ascii_alphabetic() || (*at > 0 && (c.is_ascii_digit() || *c == '-' || *c == '_'))
            })
            .last()
            .map_or(0, |(at, _)| at + 1);
        let word = self.rest()[..length].to_owned();
        self.at += length;
        word
    }

    fn expect(&mut self, wanted: char, message: &str) -> Parsed<()> {
        self.skip_blank()?;
        if self.peek() == Some(wanted) {
            self.at += wanted.len_utf8();
            return Ok(());
        }
        Err(self.error_here(message))
    }

    /// Passes over white space, `# comments` and `/ comments /`.
    fn skip_blank(&mut self) -> Parsed<()> {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start();
            self.at += rest.len() - trimmed.len();
            match trimmed.chars().next() {
                Some('#') => self.at += trimmed.find('\n').unwrap_or(trimmed.len()),
                Some('/') => match trimmed[1..].find('/') {
                    Some(end) => self.at += end + 2,
                    None => return Err(self.error_here("a closing `/` of the comment")),
                },
                _ => return Ok(()),
            }
        }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn error_here(&self, wanted: &str) -> SyntaxError {
        let found = match self.peek() {
            None => "the text ends".to_owned(),
            Some(c) => format!("found `{c}`"),
        };
        let width = self.peek().map_or(0, char::len_utf8);
        SyntaxError { span: self.at..self.at + width, message: format!("expected {wanted}, {found}") }
    }

    fn error_at(&self, span: Range<usize>, message: &str) -> SyntaxError {
        SyntaxError { span, message: message.to_owned() }
    }
}

fn is_literal_word(word: &str) -> bool {
    matches!(word, "null" | "undefined" | "true" | "false" | "NaN" | "Infinity" | "simple")
}

fn parse_integer(lexeme: &str) -> Option<i128> {
    let (negative, digits) = match lexeme.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, lexeme),
    };
    let magnitude = match digits.get(..2) {
        Some("0x") => i128::from_str_radix(&digits[2..], 16).ok()?,
        Some("0b") => i128::from_str_radix(&digits[2..], 2).ok()?,
        Some("0o") => i128::from_str_radix(&digits[2..], 8).ok()?,
        _ if digits.bytes().all(|digit| digit.is_ascii_digit()) => digits.parse().ok()?,
        _ => return None,
    };
    Some(if negative { -magnitude } else { magnitude })
}

fn from_hex(digits: &str) -> Option<Vec<u8>> {
    if !digits.len().is_multiple_of(2) || !digits.is_ascii() {
        return None;
    }
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).ok()).collect()
}

/// The text of a JSON string literal; raw line ends and tabs are allowed in it.
fn unescape(literal: &str) -> Result<String, String> {
    if !literal.contains(['\\', '\n', '\t', '\r']) {
        return Ok(literal[1..literal.len() - 1].to_owned());
    }
    let strict = literal.replace('\n', "\\n").replace('\t', "\\t").replace('\r', "\\r");
    serde_json::from_str(&strict)
        .map_err(|_| "a backslash must begin \\\" \\\\ \\/ \\b \\f \\n \\r \\t or \\uXXXX".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn datum(text: &str) -> Datum {
        parse_datum(text).unwrap_or_else(|error| panic!("{text}: {error:?}"))
    }

    #[test]
    fn json_is_a_subset() {
        let value = datum(r#"{"a": [1, -2.5e3, true, null], "b": "x\né"}"#);
        assert_eq!(value.get("b").and_then(Datum::as_text).as_deref(), Some("x\né"));
        assert_eq!(value.get("a").and_then(Datum::as_array).map(<[Datum]>::len), Some(4));
    }

    #[test]
    fn encodings_can_be_told_apart() {
        assert_ne!(datum("1_1"), datum("1"));
        assert_ne!(datum("1.5_1"), datum("1.5"));
        assert_ne!(datum("[_ 1]"), datum("[1]"));
        assert_eq!(datum("(_ \"a\", \"b\")").as_text().as_deref(), Some("ab"));
        assert_eq!(datum("0xff"), datum("255"));
        assert_eq!(datum("2(h'01')"), Datum::Tag(2, Head::Preferred, Box::new(Datum::bytes([1]))));
    }

    #[test]
    fn calls_have_words_bounds_labels_and_patterns() {
        let node = parse("$oneof(told: {\"id\": 5, ...}, $in(1..), $let(x, $text))").expect("parses");
        let Form::Call(name, args) = node.form else { panic!("a call") };
        assert_eq!((name.as_str(), args.len()), ("oneof", 3));
        assert!(matches!(&args[0], Arg::Labelled(label, _) if label == "told"));
    }

    #[test]
    fn errors_say_where() {
        let error = parse("{\"a\" 1}").expect_err("no colon");
        assert_eq!((error.span, error.message.as_str()), (5..6, "expected `:` after the key, found `1`"));
        assert!(parse("[1, 2").is_err() && parse("hello").is_err() && parse("1 2").is_err());
    }
}
