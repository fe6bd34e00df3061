//! The schema that a plugin announces in its hello, with the limits of the deployed engine.
//!
//! Source: arcalot/arcaflow-plugin-sdk-go at dd8a9b5, schema/schema_schema.go (the engine's own definition of a
//! schema) and the types beside it; what it accepts is what every engine in use accepts. One file a family of types.

mod boolean;
mod collection;
mod field;
mod kind;
mod number;
mod object;
mod one_of;
mod scope;
#[cfg(test)]
mod tests;
mod text;
mod units;

pub use collection::{List, Map};
pub use kind::Type;
pub use number::{EnumInteger, Float, Integer};
pub use object::{Object, Property};
pub use one_of::OneOf;
pub use scope::Scope;
pub use text::Text;
pub use units::Units;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::datum::{Datum, Path};
use field::{Fields, identifier};

/// What is wrong with a schema or a value, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where in the schema or value.
    pub path: Path,
    /// What.
    pub message: String,
}

impl Fault {
    fn new(message: impl Into<String>) -> Self {
        Self { path: Path::root(), message: message.into() }
    }

    fn under(mut self, key: &str) -> Self {
        self.path = self.path.under(&Datum::text(key));
        self
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.path.depth() > 0 {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

type Read<T> = Result<T, Fault>;

/// A value as a plugin takes it: most are taken as they stand, and some are large.
type Accepted<'a> = Read<Cow<'a, Datum>>;

/// The value itself where converting it has changed nothing.
fn as_it_stands(datum: &Datum, converted: Datum) -> Cow<'_, Datum> {
    if *datum == converted { Cow::Borrowed(datum) } else { Cow::Owned(converted) }
}

#[expect(clippy::ptr_arg, reason = "whether it is borrowed is what is asked")]
fn is_as_it_stood(accepted: &Cow<'_, Datum>) -> bool {
    matches!(accepted, Cow::Borrowed(_))
}

/// A whole schema: steps by id.
#[derive(Clone, Debug, Default)]
pub struct Schema {
    /// The steps.
    pub steps: BTreeMap<String, Step>,
}

/// One step.
#[derive(Clone, Debug)]
pub struct Step {
    /// What it takes.
    pub input: Scope,
    /// What it gives, by output id.
    pub outputs: BTreeMap<String, Scope>,
    /// Signals that it takes.
    pub signal_handlers: BTreeMap<String, Scope>,
    /// Signals that it gives.
    pub signal_emitters: BTreeMap<String, Scope>,
}

/// Least and most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// At least.
    pub min: Option<i128>,
    /// At most.
    pub max: Option<i128>,
}

impl Bounds {
    fn admit(self, value: i128, what: &str) -> Read<()> {
        match self {
            Bounds { min: Some(min), .. } if value < min => {
                Err(Fault::new(format!("{what} {value} is below {min}")))
            }
            Bounds { max: Some(max), .. } if value > max => {
                Err(Fault::new(format!("{what} {value} is above {max}")))
            }
            _ => Ok(()),
        }
    }
}

impl Schema {
    /// Reads the value of `schema` in a hello.
    ///
    /// # Errors
    /// The first place at which the deployed engine would refuse it.
    pub fn read(datum: &Datum) -> Read<Self> {
        let fields = Fields::of(datum, &["steps"])?;
        let steps = fields.map("steps", |id, step| Ok((identifier(id)?, Step::read(step)?)))?;
        Ok(Self { steps: steps.ok_or_else(|| Fault::new("`steps` is missing"))? })
    }

    /// As [`Self::read`]; the last one that was read is kept, since all cases of a run see the hello of one subject.
    ///
    /// # Errors
    /// The first place at which the deployed engine would refuse it.
    pub fn known(datum: &Datum) -> Read<Arc<Self>> {
        static LAST: Mutex<Option<(Datum, Arc<Schema>)>> = Mutex::new(None);
        let last = || LAST.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, schema)) = last().as_ref().filter(|(same, _)| same == datum) {
            return Ok(schema.clone());
        }
        let schema = Arc::new(Self::read(datum)?);
        *last() = Some((datum.clone(), schema.clone()));
        Ok(schema)
    }
}

impl Step {
    /// Reads one of the values of `steps`.
    ///
    /// # Errors
    /// The first place at which the deployed engine would refuse it.
    pub fn read(datum: &Datum) -> Read<Self> {
        let fields =
            Fields::of(datum, &["id", "input", "outputs", "display", "signal_handlers", "signal_emitters"])?;
        fields.identifier("id")?;
        fields.display()?;
        let signals = |key| {
            let read = |id: &str, signal| Ok((identifier(id)?, read_signal(signal)?));
            fields.map(key, read).map(Option::unwrap_or_default)
        };
        let outputs = fields.map("outputs", |id, output| Ok((identifier(id)?, read_output(output)?)))?;
        Ok(Self {
            input: fields.need("input", Scope::read)?,
            outputs: outputs.ok_or_else(|| Fault::new("`outputs` is missing"))?,
            signal_handlers: signals("signal_handlers")?,
            signal_emitters: signals("signal_emitters")?,
        })
    }
}

fn read_output(datum: &Datum) -> Read<Scope> {
    let fields = Fields::of(datum, &["schema", "display", "error"])?;
    fields.display()?;
    fields.flag("error", false)?;
    fields.need("schema", Scope::read)
}

fn read_signal(datum: &Datum) -> Read<Scope> {
    let fields = Fields::of(datum, &["id", "data_schema", "display"])?;
    fields.identifier("id")?;
    fields.display()?;
    fields.need("data_schema", Scope::read)
}
