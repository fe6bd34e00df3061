//! The names that a case has bound.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Datum;

/// Names with their values, and the sets of `$unique`. A copy costs next to nothing: every attempt to match makes one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bindings {
    values: Arc<BTreeMap<String, Arc<Datum>>>,
    sets: Arc<BTreeMap<String, BTreeSet<String>>>,
}

impl Bindings {
    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<&Datum> {
        self.values.get(name).map(Arc::as_ref)
    }

    /// Binds a name, or binds it anew.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<Datum>) {
        Arc::make_mut(&mut self.values).insert(name.into(), Arc::new(value.into()));
    }

    /// All names in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    /// All names with their values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Datum)> {
        self.values.iter().map(|(name, value)| (name.as_str(), value.as_ref()))
    }

    /// Whether a value was seen under a set's name before.
    pub fn seen(&self, set: &str, value: &Datum) -> bool {
        self.sets.get(set).is_some_and(|values| values.contains(&value.to_string()))
    }

    /// Remembers a value under a set's name.
    pub fn remember(&mut self, set: &str, value: &Datum) {
        Arc::make_mut(&mut self.sets).entry(set.into()).or_default().insert(value.to_string());
    }

    /// Replaces every `${name}` in `text`; `$${` stands for `${`.
    ///
    /// # Errors
    /// The first name that is not bound, or whose value has no text form.
    pub fn insert_into(&self, text: &str) -> Result<String, String> {
        if !text.contains("${") {
            return Ok(text.to_owned());
        }
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            if rest[..at].ends_with('$') {
                out.push_str(&rest[..at]);
                out.push('{');
                rest = &rest[at + 2..];
                continue;
            }
            out.push_str(&rest[..at]);
            let Some(end) = rest[at..].find('}') else { break };
            let name = &rest[at + 2..at + end];
            let value = self.get(name).and_then(Datum::as_inserted).ok_or_else(|| name.to_owned())?;
            out.push_str(&value);
            rest = &rest[at + end + 1..];
        }
        out.push_str(rest);
        Ok(out)
    }
}

/// The names that `${..}` mentions in a text.
pub fn mentioned(text: &str) -> Vec<&str> {
    let parts: Vec<&str> = text.split("${").collect();
    let named = parts.windows(2).filter(|pair| !pair[0].ends_with('$'));
    named.filter_map(|pair| pair[1].split_once('}').map(|(name, _)| name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_replaced_once_and_never_parsed_again() {
        let mut bindings = Bindings::default();
        bindings.set("a", "${b}");
        bindings.set("n", 7_i64);
        assert_eq!(bindings.insert_into("x${a}y${n}").as_deref(), Ok("x${b}y7"));
        assert_eq!(bindings.insert_into("$${a} stays").as_deref(), Ok("${a} stays"));
        assert_eq!(bindings.insert_into("${missing}"), Err("missing".into()));
    }
}
