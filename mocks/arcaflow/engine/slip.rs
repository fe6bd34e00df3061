//! The slips of mutants that need more than a branch.

use crate::datum::Datum;
use crate::protocol::arcaflow::schema::Fault;

/// What a mutant keeps from one plugin process to the next, or from one message to the next.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    /// The first hello of all.
    pub(super) hello: Option<Datum>,
    /// A run has failed.
    pub(super) failed: bool,
    /// The run id of the message before.
    pub(super) run: String,
    /// The schema was read in a start of its own.
    pub(super) has_read: bool,
}

impl Memory {
    /// Keeps what a session has learned.
    pub(super) fn keep(&mut self, of_a_session: &Self) {
        self.failed |= of_a_session.failed;
        if self.hello.is_none() {
            self.hello.clone_from(&of_a_session.hello);
        }
    }
}

/// The hello as the mutant sees it: the schema or the version may be that of an earlier plugin.
pub(super) fn hello(mutant: &str, memory: &mut Memory, now: &Datum) -> Datum {
    let Some(kept) = (match mutant {
        "schema-of-the-first-plugin" => Some("schema"),
        "version-of-the-first-plugin" => Some("version"),
        _ => None,
    }) else {
        return now.clone();
    };
    let first = memory.hello.get_or_insert_with(|| now.clone());
    let entries = now.as_map().unwrap_or_default().iter().map(|(key, value)| {
        let same = key.as_text().as_deref() == Some(kept);
        (key.clone(), first.get(kept).filter(|_| same).unwrap_or(value).clone())
    });
    Datum::Map(entries.collect(), crate::datum::Head::Preferred)
}

/// Which broken schemas a mutant takes: by a part of what the reader of schemas says about them.
const SCHEMAS: [(&str, &[&str]); 9] = [
    ("type-names-not-checked", &["is no type"]),
    ("ids-not-checked", &["is no id"]),
    ("roots-not-checked", &["is no object of the scope", "has the id"]),
    ("references-not-checked", &["refers"]),
    ("patterns-not-checked", &["no regular expression"]),
    ("limits-not-checked", &["not an integer of 0 or more"]),
    ("map-keys-not-checked", &["keys are"]),
    ("discriminators-not-checked", &["discriminator"]),
    ("schema-keys-not-checked", &["has the unknown key"]),
];

/// Whether the mutant takes a schema with this fault.
pub(super) fn overlooks(mutant: &str, fault: &Fault) -> bool {
    let parts = SCHEMAS.iter().filter(|(name, _)| *name == mutant).flat_map(|(_, parts)| *parts);
    mutant == "schema-not-checked" || parts.into_iter().any(|part| fault.message.contains(part))
}

/// Whether a value is over its limit by just one.
pub(super) fn by_one(fault: &Fault) -> bool {
    let numbers: Vec<i128> = fault.message.split(' ').filter_map(|word| word.parse().ok()).collect();
    fault.message.contains(" is above ") && matches!(numbers[..], [value, limit] if value == limit + 1)
}

/// The deployed engine's way with literals.
pub(super) fn as_texts(value: &Datum) -> Datum {
    each(value, &|leaf| leaf.as_inserted().map_or_else(|| leaf.clone(), Datum::text))
}

/// What becomes of integers in a language that has one type of numbers.
pub(super) fn as_floats(value: &Datum) -> Datum {
    each(value, &|leaf| match leaf {
        Datum::Int(int) => Datum::from(int.value() as f64),
        other => other.clone(),
    })
}

/// Texts of 64 KiB at most, as a buffer of that size leaves them.
pub(super) fn cut(value: &Datum) -> Datum {
    each(value, &|leaf| match leaf.as_text() {
        Some(text) if text.len() > 65_536 => Datum::text(text.chars().take(65_536).collect::<String>()),
        _ => leaf.clone(),
    })
}

/// Lists that lose their last element when they are as long as the limit.
pub(super) fn cut_lists(value: &Datum) -> Datum {
    match value {
        Datum::Map(entries, head) => {
            Datum::Map(entries.iter().map(|(key, value)| (key.clone(), cut_lists(value))).collect(), *head)
        }
        Datum::Array(items, head) => Datum::Array(items.iter().take(131_071).map(cut_lists).collect(), *head),
        other => other.clone(),
    }
}

/// A value with each of its leaves replaced.
fn each(value: &Datum, leaf: &dyn Fn(&Datum) -> Datum) -> Datum {
    match value {
        Datum::Map(entries, head) => {
            let entries = entries.iter().map(|(key, value)| (key.clone(), each(value, leaf)));
            Datum::Map(entries.collect(), *head)
        }
        Datum::Array(items, head) => Datum::Array(items.iter().map(|item| each(item, leaf)).collect(), *head),
        other => leaf(other),
    }
}

/// Whether a value holds more than 64 KiB of text or a long list.
pub(super) fn is_large(value: &Datum) -> bool {
    match value {
        Datum::Text(text, _) => text.len() > 65_536,
        Datum::Array(items, _) => items.len() > 65_536 || items.iter().any(is_large),
        Datum::Map(entries, _) => entries.iter().any(|(_, value)| is_large(value)),
        _ => false,
    }
}
