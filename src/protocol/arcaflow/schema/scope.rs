//! Sets of objects that refer to each other.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::field::{Fields, identifier};
use super::{Fault, Object, Read};
use crate::datum::Datum;

/// A set of objects, one of which is the root; references resolve inside it.
#[derive(Clone, Debug)]
pub struct Scope {
    objects: BTreeMap<String, Object>,
    root: String,
}

impl Scope {
    /// Reads a scope; its references must resolve, also those of one-of members.
    pub(super) fn read(datum: &Datum) -> Read<Self> {
        Self::read_fields(&Fields::of(datum, &["objects", "root"])?)
    }

    pub(super) fn read_fields(fields: &Fields<'_>) -> Read<Self> {
        let objects = fields.map("objects", |id, object| {
            let (own, object) = Object::read(object)?;
            if own == *id {
                Ok((identifier(id)?, object))
            } else {
                Err(Fault::new(format!("has the id `{own}`")))
            }
        })?;
        let root = fields.identifier("root")?;
        let scope = Self { objects: objects.ok_or_else(|| Fault::new("`objects` is missing"))?, root };
        if !scope.objects.contains_key(&scope.root) {
            return Err(
                Fault::new(format!("the root `{}` is no object of the scope", scope.root)).under("root")
            );
        }
        for (id, object) in &scope.objects {
            object
                .properties
                .values()
                .try_for_each(|property| property.kind.resolve(&scope))
                .map_err(|fault| fault.under(id))?;
        }
        Ok(scope)
    }

    /// The id of the root object.
    pub fn root_id(&self) -> &str {
        &self.root
    }

    /// The root object.
    pub fn root(&self) -> &Object {
        &self.objects[&self.root]
    }

    /// An object by its id.
    pub fn object(&self, id: &str) -> Option<&Object> {
        self.objects.get(id)
    }

    /// Takes a value as a plugin does: converts texts, fills in defaults, checks every limit. What needs none of this
    /// is given back as it is.
    ///
    /// # Errors
    /// Where and why the value does not fit.
    pub fn accept<'a>(&self, datum: &'a Datum) -> Read<Cow<'a, Datum>> {
        self.root().accept(datum, self)
    }

    /// Checks a value as it stands, without converting: what a plugin gives.
    ///
    /// # Errors
    /// Where and why the value does not fit.
    pub fn check(&self, datum: &Datum) -> Read<()> {
        let Cow::Owned(accepted) = self.accept(datum)? else { return Ok(()) };
        match crate::datum::equal(&accepted, datum, crate::datum::Compare::ByValue) {
            Ok(()) => Ok(()),
            Err(mismatch) if mismatch.kind == crate::datum::MismatchKind::Missing => Ok(()),
            Err(mismatch) => Err(Fault {
                path: mismatch.path,
                message: format!("is {}, not {}", mismatch.got, mismatch.wanted),
            }),
        }
    }
}
