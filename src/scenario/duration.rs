//! Durations in scenarios: `"200ms"`, a name of `[timing]`, `"1.2x conf_expire"`, `"max(3x a, a + 12s)"`.

use std::collections::BTreeMap;

use crate::actor::{Nanos, SECOND};

/// The resolved values of `[timing]`.
pub type Timing = BTreeMap<String, Nanos>;

/// A duration that may depend on `[timing]`.
#[derive(Clone, Debug, PartialEq)]
pub enum Duration {
    /// A literal.
    Fixed(Nanos),
    /// A name of `[timing]`.
    Named(String),
    /// A multiple.
    Times(f64, Box<Duration>),
    /// A sum.
    Sum(Vec<Duration>),
    /// The largest.
    Max(Vec<Duration>),
}

impl Duration {
    /// Reads a duration.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parser = Parser { rest: text.trim() };
        let duration = parser.sum()?;
        if parser.rest.is_empty() { Ok(duration) } else { Err(format!("`{}` is left over", parser.rest)) }
    }

    /// How long it is; `scale` stretches literals.
    ///
    /// # Errors
    /// A name that `timing` does not have.
    pub fn resolve(&self, timing: &Timing, scale: f64) -> Result<Nanos, String> {
        let all = |parts: &[Duration]| {
            parts.iter().map(|part| part.resolve(timing, scale)).collect::<Result<Vec<_>, _>>()
        };
        Ok(match self {
            Self::Fixed(nanos) => (*nanos as f64 * scale) as Nanos,
            Self::Named(name) => *timing.get(name).ok_or_else(|| name.clone())?,
            Self::Times(factor, inner) => (inner.resolve(timing, scale)? as f64 * factor) as Nanos,
            Self::Sum(parts) => all(parts)?.into_iter().sum(),
            Self::Max(parts) => all(parts)?.into_iter().max().unwrap_or_default(),
        })
    }

    /// The names of `[timing]` that it needs.
    pub fn names(&self, names: &mut Vec<String>) {
        match self {
            Self::Fixed(_) => {}
            Self::Named(name) => names.push(name.clone()),
            Self::Times(_, inner) => inner.names(names),
            Self::Sum(parts) | Self::Max(parts) => parts.iter().for_each(|part| part.names(names)),
        }
    }
}

struct Parser<'a> {
    rest: &'a str,
}

impl Parser<'_> {
    fn sum(&mut self) -> Result<Duration, String> {
        let mut parts = vec![self.term()?];
        while self.eat('+') {
            parts.push(self.term()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Duration::Sum(parts) })
    }

    fn term(&mut self) -> Result<Duration, String> {
        let digits = self.take(|c| c.is_ascii_digit() || c == '.');
        if digits.is_empty() {
            return self.name();
        }
        let number: f64 = digits.parse().map_err(|_| format!("`{digits}` is no number"))?;
        let unit = self.take(|c| c.is_ascii_alphabetic());
        let scale = match unit.as_str() {
            "x" => return Ok(Duration::Times(number, Box::new(self.name()?))),
            "us" => 1e3,
            "ms" => 1e6,
            "s" => SECOND as f64,
            "m" => 60.0 * SECOND as f64,
            "" => return Err(format!("`{number}` has no unit: ms, s, m, or x and a name of [timing]")),
            other => return Err(format!("unknown unit `{other}`: ms, s, m, or x and a name of [timing]")),
        };
        Ok(Duration::Fixed((number * scale) as Nanos))
    }

    fn name(&mut self) -> Result<Duration, String> {
        self.rest = self.rest.trim_start();
        let name = self.take(|c| c.is_ascii_alphanumeric() || c == '_');
        if name.is_empty() {
            return Err("a duration is a number with a unit (\"200ms\") or a name of [timing]".into());
        }
        if name != "max" || !self.eat('(') {
            return Ok(Duration::Named(name));
        }
        let mut parts = vec![self.sum()?];
        while self.eat(',') {
            parts.push(self.sum()?);
        }
        if self.eat(')') { Ok(Duration::Max(parts)) } else { Err("`max(` is not closed".into()) }
    }

    fn take(&mut self, wanted: impl Fn(char) -> bool) -> String {
        let end = self.rest.find(|c| !wanted(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken.to_owned()
    }

    fn eat(&mut self, wanted: char) -> bool {
        let trimmed = self.rest.trim_start();
        match trimmed.strip_prefix(wanted) {
            Some(rest) => {
                self.rest = rest.trim_start();
                true
            }
            None => {
                self.rest = trimmed;
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(text: &str) -> Result<f64, String> {
        let timing = Timing::from([("conf_expire".to_owned(), 5 * SECOND)]);
        Ok(Duration::parse(text)?.resolve(&timing, 1.0)? as f64 / SECOND as f64)
    }

    #[test]
    fn every_form_is_read() {
        assert_eq!(seconds("200ms"), Ok(0.2));
        assert_eq!(seconds("1.2x conf_expire"), Ok(6.0));
        assert_eq!(seconds("max(3x conf_expire, conf_expire + 12s)"), Ok(17.0));
        assert_eq!(seconds("2m"), Ok(120.0));
    }

    #[test]
    fn mistakes_are_told() {
        assert_eq!(seconds("5 s"), Err("`5` has no unit: ms, s, m, or x and a name of [timing]".into()));
        assert_eq!(seconds("5sec"), Err("unknown unit `sec`: ms, s, m, or x and a name of [timing]".into()));
        assert_eq!(seconds("nothing"), Err("nothing".into()));
    }
}
