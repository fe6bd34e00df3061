//! The schema that a plugin announces in its hello, with the limits of the deployed engine.
//!
//! Source: arcalot/arcaflow-plugin-sdk-go at dd8a9b5, schema/schema_schema.go (the engine's own definition of a
//! schema) and the types beside it; what it accepts is what every engine in use accepts.

use std::collections::BTreeMap;

use regex::Regex;

use crate::datum::{Datum, Path};

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

/// A whole schema: steps by id.
#[derive(Clone, Debug)]
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

/// A set of objects, one of which is the root; references resolve inside it.
#[derive(Clone, Debug)]
pub struct Scope {
    objects: BTreeMap<String, Object>,
    root: String,
}

/// A map with known keys.
#[derive(Clone, Debug)]
pub struct Object {
    /// Its properties by name.
    pub properties: BTreeMap<String, Property>,
}

/// One property of an object.
#[derive(Clone, Debug)]
pub struct Property {
    /// Its type.
    pub kind: Type,
    /// Whether it must be there.
    pub required: bool,
    /// It must be there if one of these is.
    pub required_if: Vec<String>,
    /// It must be there if none of these is.
    pub required_if_not: Vec<String>,
    /// It must not be there if one of these is.
    pub conflicts: Vec<String>,
    /// Its value where it is absent.
    pub default: Option<Datum>,
}

/// A type of values.
#[derive(Clone, Debug)]
pub enum Type {
    /// A text; length in bytes.
    String {
        /// Least and most bytes.
        length: Bounds,
        /// What it must match somewhere.
        pattern: Option<Regex>,
    },
    /// A text that is a regular expression.
    Pattern,
    /// An integer.
    Integer(Bounds),
    /// A float within bounds.
    Float(Option<f64>, Option<f64>),
    /// A boolean.
    Bool,
    /// One of these texts.
    EnumString(Vec<String>),
    /// One of these integers.
    EnumInteger(Vec<i128>),
    /// A list.
    List {
        /// The type of its elements.
        items: Box<Type>,
        /// Least and most elements.
        length: Bounds,
    },
    /// A map.
    Map {
        /// The type of its keys.
        keys: Box<Type>,
        /// The type of its values.
        values: Box<Type>,
        /// Least and most entries.
        length: Bounds,
    },
    /// An object.
    Object(Object),
    /// A scope of its own.
    Scope(Scope),
    /// An object of the enclosing scope.
    Ref(String),
    /// One of several objects, told by a field.
    OneOf {
        /// The types by the value of the field.
        types: Vec<(Datum, Type)>,
        /// The field.
        field: String,
        /// Whether the members have the field themselves.
        inlined: bool,
    },
    /// Anything but null.
    Any,
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
}

impl Step {
    fn read(datum: &Datum) -> Read<Self> {
        let fields =
            Fields::of(datum, &["id", "input", "outputs", "display", "signal_handlers", "signal_emitters"])?;
        fields.identifier("id")?;
        fields.display()?;
        let signals = |key| {
            Ok::<_, Fault>(
                fields
                    .map(key, |id, signal| Ok((identifier(id)?, read_signal(signal)?)))?
                    .unwrap_or_default(),
            )
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

impl Scope {
    /// Reads a scope; its references must resolve, also those of one-of members.
    fn read(datum: &Datum) -> Read<Self> {
        Self::read_fields(&Fields::of(datum, &["objects", "root"])?)
    }

    fn read_fields(fields: &Fields<'_>) -> Read<Self> {
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

    /// Takes a value as a plugin does: converts texts, fills in defaults, checks every limit.
    ///
    /// # Errors
    /// Where and why the value does not fit.
    pub fn accept(&self, datum: &Datum) -> Read<Datum> {
        self.root().accept(datum, self)
    }

    /// Checks a value as it stands, without converting: what a plugin gives.
    ///
    /// # Errors
    /// Where and why the value does not fit.
    pub fn check(&self, datum: &Datum) -> Read<()> {
        let accepted = self.accept(datum)?;
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

impl Object {
    fn read(datum: &Datum) -> Read<(String, Self)> {
        Self::read_fields(&Fields::of(datum, &["id", "properties", "id_unenforced"])?)
    }

    fn read_fields(fields: &Fields<'_>) -> Read<(String, Self)> {
        let id = fields.identifier("id")?;
        fields.flag("id_unenforced", false)?;
        let properties = fields.map("properties", |name, property| {
            if name.is_empty() {
                return Err(Fault::new("a property without a name"));
            }
            Ok((name.to_owned(), Property::read(property)?))
        })?;
        Ok((id, Self { properties: properties.ok_or_else(|| Fault::new("`properties` is missing"))? }))
    }

    fn accept(&self, datum: &Datum, scope: &Scope) -> Read<Datum> {
        let Some(entries) = datum.as_map() else {
            return Err(Fault::new(format!("is {}, not a map", datum.kind())));
        };
        let mut given: Vec<(String, Datum)> = Vec::new();
        for (key, value) in entries {
            let name =
                key.as_text().ok_or_else(|| Fault::new(format!("has the key {key}, which is no text")))?;
            let property = self
                .properties
                .get(&*name)
                .ok_or_else(|| Fault::new(format!("has the unknown key `{name}`")))?;
            if *value == Datum::Null && !property.required {
                continue;
            }
            given.push((
                name.to_string(),
                property.kind.accept(value, scope).map_err(|fault| fault.under(&name))?,
            ));
        }
        for (name, property) in &self.properties {
            if !given.iter().any(|(key, _)| key == name)
                && let Some(default) = &property.default
            {
                given.push((name.clone(), default.clone()));
            }
        }
        let has = |name: &String| given.iter().any(|(key, _)| key == name);
        for (name, property) in &self.properties {
            property.check_presence(name, has(name), &has)?;
        }
        Ok(Datum::map(given))
    }
}

impl Property {
    fn read(datum: &Datum) -> Read<Self> {
        const KEYS: [&str; 10] = [
            "type",
            "display",
            "required",
            "required_if",
            "required_if_not",
            "conflicts",
            "default",
            "examples",
            "disabled",
            "disabled_reason",
        ];
        let fields = Fields::of(datum, &KEYS)?;
        fields.display()?;
        fields.texts("examples")?;
        let default = fields.text("default")?.map(|text| {
            crate::codec::json::parse(text.as_bytes())
                .map_err(|error| Fault::new(format!("is no JSON: {error}")).under("default"))
        });
        Ok(Self {
            kind: fields.need("type", Type::read)?,
            required: fields.flag("required", true)?,
            required_if: fields.texts("required_if")?,
            required_if_not: fields.texts("required_if_not")?,
            conflicts: fields.texts("conflicts")?,
            default: default.transpose()?,
        })
    }

    fn check_presence(&self, name: &str, here: bool, has: &dyn Fn(&String) -> bool) -> Read<()> {
        if here {
            return match self.conflicts.iter().find(|other| has(other)) {
                Some(other) => Err(Fault::new(format!("conflicts with `{other}`")).under(name)),
                None => Ok(()),
            };
        }
        if self.required {
            return Err(Fault::new(format!("`{name}` is missing")));
        }
        if let Some(other) = self.required_if.iter().find(|other| has(other)) {
            return Err(Fault::new(format!("`{name}` is missing, `{other}` demands it")));
        }
        if !self.required_if_not.is_empty() && !self.required_if_not.iter().any(has) {
            return Err(Fault::new(format!(
                "`{name}` is missing, none of {:?} is there",
                self.required_if_not
            )));
        }
        Ok(())
    }
}

impl Type {
    fn read(datum: &Datum) -> Read<Self> {
        let all = Fields::any(datum)?;
        let name = all.text("type_id")?.ok_or_else(|| Fault::new("`type_id` is missing"))?;
        let with = |keys: &[&'static str]| Fields::of(datum, &[&["type_id"], keys].concat());
        match name.as_str() {
            "string" => {
                let fields = with(&["min", "max", "pattern"])?;
                let pattern = fields
                    .text("pattern")?
                    .map(|text| compile(&text).map_err(|fault| fault.under("pattern")));
                Ok(Self::String { length: fields.bounds()?, pattern: pattern.transpose()? })
            }
            "pattern" => with(&[]).map(|_| Self::Pattern),
            "integer" => {
                let fields = with(&["min", "max", "units"])?;
                fields.units()?;
                fields.bounds().map(Self::Integer)
            }
            "float" => {
                let fields = with(&["min", "max", "units"])?;
                fields.units()?;
                Ok(Self::Float(fields.number("min")?, fields.number("max")?))
            }
            "bool" => with(&[]).map(|_| Self::Bool),
            "enum_string" => {
                let values = with(&["values"])?.keys("values")?;
                values
                    .into_iter()
                    .map(|key| {
                        key.as_text()
                            .map(|text| text.into_owned())
                            .ok_or_else(|| Fault::new("a value is no text"))
                    })
                    .collect::<Read<_>>()
                    .map(Self::EnumString)
            }
            "enum_integer" => {
                let fields = with(&["values", "units"])?;
                fields.units()?;
                let values = fields.keys("values")?;
                values
                    .into_iter()
                    .map(|key| key.as_int().ok_or_else(|| Fault::new("a value is no integer")))
                    .collect::<Read<_>>()
                    .map(Self::EnumInteger)
            }
            "list" => {
                let fields = with(&["items", "min", "max"])?;
                Ok(Self::List {
                    items: Box::new(fields.need("items", Self::read)?),
                    length: fields.bounds()?,
                })
            }
            "map" => Self::read_map(&with(&["keys", "values", "min", "max"])?),
            "object" => {
                Ok(Self::Object(Object::read_fields(&with(&["id", "properties", "id_unenforced"])?)?.1))
            }
            "scope" => Scope::read_fields(&with(&["objects", "root"])?).map(Self::Scope),
            "ref" => {
                let fields = with(&["id", "namespace", "display"])?;
                fields.display()?;
                if fields.text("namespace")?.is_some_and(|namespace| !namespace.is_empty()) {
                    return Err(Fault::new("refers into a namespace, which a plugin cannot have"));
                }
                fields.identifier("id").map(Self::Ref)
            }
            "one_of_string" | "one_of_int" => Self::read_one_of(
                &with(&["types", "discriminator_field_name", "discriminator_inlined"])?,
                name == "one_of_int",
            ),
            "any" => with(&[]).map(|_| Self::Any),
            other => Err(Fault::new(format!("`{other}` is no type")).under("type_id")),
        }
    }

    fn read_map(fields: &Fields<'_>) -> Read<Self> {
        let keys = fields.need("keys", Self::read)?;
        if !matches!(keys, Self::String { .. } | Self::Integer(_)) {
            return Err(Fault::new("keys are string or integer").under("keys"));
        }
        let values = fields.need("values", Self::read)?;
        Ok(Self::Map { keys: Box::new(keys), values: Box::new(values), length: fields.bounds()? })
    }

    fn read_one_of(fields: &Fields<'_>, by_int: bool) -> Read<Self> {
        let entries =
            fields.get("types").and_then(Datum::as_map).ok_or_else(|| Fault::new("`types` is missing"))?;
        let mut types = Vec::new();
        for (key, member) in entries {
            if by_int != key.as_int().is_some() {
                return Err(Fault::new(format!("the key {key} is of the wrong type")).under("types"));
            }
            let kind = Self::read(member).map_err(|fault| fault.under(&key.to_string()))?;
            if !matches!(kind, Self::Ref(_) | Self::Scope(_) | Self::Object(_)) {
                return Err(Fault::new("a member is ref, scope or object").under(&key.to_string()));
            }
            types.push((key.clone(), kind));
        }
        let field = fields.text("discriminator_field_name")?.unwrap_or_else(|| "_type".into());
        Ok(Self::OneOf { types, field, inlined: fields.flag("discriminator_inlined", false)? })
    }

    /// Checks references and discriminators against the enclosing scope.
    fn resolve(&self, scope: &Scope) -> Read<()> {
        match self {
            Self::Ref(id) if scope.object(id).is_none() => {
                Err(Fault::new(format!("refers to `{id}`, which does not exist")))
            }
            Self::List { items, .. } => items.resolve(scope),
            Self::Map { values, .. } => values.resolve(scope),
            Self::Object(object) => {
                object.properties.values().try_for_each(|property| property.kind.resolve(scope))
            }
            Self::OneOf { types, field, inlined } => types.iter().try_for_each(|(key, kind)| {
                kind.resolve(scope)?;
                let own = kind.members(scope).and_then(|object| object.properties.get(field));
                let wrong = match own {
                    Some(_) if !inlined => "has the discriminator although it is not inlined",
                    None if *inlined => "lacks the inlined discriminator",
                    Some(own) if !own.kind.discriminates(key) => "has a discriminator of another type",
                    _ => return Ok(()),
                };
                Err(Fault::new(format!("the member {key} {wrong}")))
            }),
            _ => Ok(()),
        }
    }

    /// Whether an inlined discriminator can be of this type.
    fn discriminates(&self, key: &Datum) -> bool {
        match key {
            Datum::Int(_) => matches!(self, Self::Integer(_) | Self::EnumInteger(_)),
            _ => matches!(self, Self::String { .. } | Self::EnumString(_)),
        }
    }

    /// The object behind a one-of member.
    fn members<'a>(&'a self, scope: &'a Scope) -> Option<&'a Object> {
        match self {
            Self::Ref(id) => scope.object(id),
            Self::Scope(inner) => Some(inner.root()),
            Self::Object(object) => Some(object),
            _ => None,
        }
    }

    fn accept(&self, datum: &Datum, scope: &Scope) -> Read<Datum> {
        match self {
            Self::String { length, pattern } => {
                let text = to_text(datum)?;
                length.admit(text.len() as i128, "the length")?;
                match pattern {
                    Some(pattern) if !pattern.is_match(&text) => {
                        Err(Fault::new(format!("does not match {pattern}")))
                    }
                    _ => Ok(keep(datum, Datum::text(text))),
                }
            }
            Self::Pattern => compile(&to_text(datum)?).map(|_| datum.clone()),
            Self::Integer(bounds) => {
                let value = to_integer(datum)?;
                bounds.admit(value, "the value")?;
                Ok(Datum::Int(crate::datum::Int::new(value).ok_or_else(|| Fault::new("is out of range"))?))
            }
            Self::Float(min, max) => {
                let value = to_float(datum)?;
                if min.is_some_and(|min| value < min) || max.is_some_and(|max| value > max) {
                    return Err(Fault::new(format!("the value {value} is out of bounds")));
                }
                Ok(Datum::from(value))
            }
            Self::Bool => to_bool(datum).map(Datum::from),
            Self::EnumString(values) => {
                let text = to_text(datum)?;
                if values.contains(&text) {
                    Ok(Datum::text(text))
                } else {
                    Err(Fault::new(format!("`{text}` is none of {values:?}")))
                }
            }
            Self::EnumInteger(values) => {
                let value = to_integer(datum)?;
                if values.contains(&value) {
                    Ok(datum.clone())
                } else {
                    Err(Fault::new(format!("{value} is none of {values:?}")))
                }
            }
            Self::List { items, length } => {
                let Some(list) = datum.as_array() else {
                    return Err(Fault::new(format!("is {}, not a list", datum.kind())));
                };
                length.admit(list.len() as i128, "the number of elements")?;
                let accept = |(index, item): (usize, &Datum)| {
                    items.accept(item, scope).map_err(|fault| fault.under(&index.to_string()))
                };
                list.iter().enumerate().map(accept).collect::<Read<Vec<_>>>().map(Datum::array)
            }
            Self::Map { keys, values, length } => {
                let Some(map) = datum.as_map() else {
                    return Err(Fault::new(format!("is {}, not a map", datum.kind())));
                };
                length.admit(map.len() as i128, "the number of entries")?;
                let accept = |(key, value): &(Datum, Datum)| {
                    let value = values.accept(value, scope).map_err(|fault| fault.under(&key.to_string()))?;
                    Ok((keys.accept(key, scope)?, value))
                };
                let entries = map.iter().map(accept).collect::<Read<Vec<_>>>()?;
                Ok(Datum::Map(entries, crate::datum::Head::Preferred))
            }
            Self::Object(object) => object.accept(datum, scope),
            Self::Scope(inner) => inner.accept(datum),
            Self::Ref(id) => match scope.object(id) {
                Some(object) => object.accept(datum, scope),
                None => Err(Fault::new(format!("refers to `{id}`, which does not exist"))),
            },
            Self::OneOf { types, field, inlined } => accept_one_of(types, field, *inlined, datum, scope),
            Self::Any => accept_any(datum).map(|()| datum.clone()),
        }
    }
}

fn accept_one_of(
    types: &[(Datum, Type)],
    field: &str,
    inlined: bool,
    datum: &Datum,
    scope: &Scope,
) -> Read<Datum> {
    let Some(entries) = datum.as_map() else {
        return Err(Fault::new(format!("is {}, not a map", datum.kind())));
    };
    let told = datum.get(field).ok_or_else(|| Fault::new(format!("`{field}` is missing")))?;
    let same = |key: &Datum| key.as_inserted() == told.as_inserted();
    let Some((_, kind)) = types.iter().find(|(key, _)| same(key)) else {
        return Err(Fault::new(format!("{told} is none of its kinds")).under(field));
    };
    if inlined {
        return kind.accept(datum, scope);
    }
    let is_field = |key: &Datum| key.as_text().as_deref() == Some(field);
    let rest = entries.iter().filter(|(key, _)| !is_field(key)).cloned().collect();
    let accepted = kind.accept(&Datum::Map(rest, crate::datum::Head::Preferred), scope)?;
    let mut entries = accepted.as_map().unwrap_or_default().to_vec();
    entries.push((Datum::text(field), told.clone()));
    Ok(Datum::Map(entries, crate::datum::Head::Preferred))
}

fn accept_any(datum: &Datum) -> Read<()> {
    match datum {
        Datum::Null | Datum::Undefined | Datum::Simple(_) | Datum::Tag(..) => {
            Err(Fault::new(format!("{} is not taken by `any`", datum.kind())))
        }
        Datum::Array(items, _) => items.iter().try_for_each(accept_any),
        Datum::Map(entries, _) => entries.iter().try_for_each(|(_, value)| accept_any(value)),
        _ => Ok(()),
    }
}

fn keep(datum: &Datum, converted: Datum) -> Datum {
    if datum.as_text().is_some() { datum.clone() } else { converted }
}

fn to_text(datum: &Datum) -> Read<String> {
    match datum {
        Datum::Int(int) => Ok(int.value().to_string()),
        Datum::Float(value, _) => Ok(format!("{value:.6}")),
        other => other
            .as_text()
            .map(|text| text.into_owned())
            .ok_or_else(|| Fault::new(format!("is {}, not a text", datum.kind()))),
    }
}

fn to_integer(datum: &Datum) -> Read<i128> {
    let value = match datum {
        Datum::Int(int) => Some(int.value()),
        Datum::Float(value, _) if value.fract() == 0.0 => Some(*value as i128),
        Datum::Bool(value) => Some(i128::from(*value)),
        other => other.as_text().and_then(|text| text.trim().parse().ok()),
    };
    let value = value.ok_or_else(|| Fault::new(format!("is {}, not an integer", datum.kind())))?;
    i64::try_from(value).map(i128::from).map_err(|_| Fault::new("is beyond 64 bits"))
}

fn to_float(datum: &Datum) -> Read<f64> {
    match datum {
        Datum::Float(value, _) => Ok(*value),
        Datum::Int(int) => Ok(int.value() as f64),
        Datum::Bool(value) => Ok(f64::from(u8::from(*value))),
        other => other
            .as_text()
            .and_then(|text| text.trim().parse().ok())
            .ok_or_else(|| Fault::new(format!("is {}, not a float", datum.kind()))),
    }
}

fn to_bool(datum: &Datum) -> Read<bool> {
    const YES: [&str; 7] = ["1", "yes", "y", "on", "true", "enable", "enabled"];
    const NO: [&str; 7] = ["0", "no", "n", "off", "false", "disable", "disabled"];
    if let Some(value) = datum.as_bool() {
        return Ok(value);
    }
    let text = datum.as_inserted().unwrap_or_default().to_lowercase();
    match (YES.contains(&text.as_str()), NO.contains(&text.as_str())) {
        (true, _) => Ok(true),
        (_, true) => Ok(false),
        _ => Err(Fault::new(format!("is {}, not a boolean", datum.kind()))),
    }
}

fn compile(text: &str) -> Read<Regex> {
    Regex::new(text).map_err(|_| Fault::new(format!("`{text}` is no regular expression of RE2")))
}

fn read_unit(datum: &Datum) -> Read<()> {
    const KEYS: [&str; 4] =
        ["name_short_singular", "name_short_plural", "name_long_singular", "name_long_plural"];
    let fields = Fields::of(datum, &KEYS)?;
    KEYS.iter().try_for_each(|key| match fields.text(key)? {
        Some(_) => Ok(()),
        None => Err(Fault::new(format!("`{key}` is missing"))),
    })
}

/// Ids: 1 to 255 of these characters.
fn identifier(text: &str) -> Read<String> {
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '$' | '@' | '-' | '_');
    if (1..=255).contains(&text.len()) && text.chars().all(fine) {
        return Ok(text.to_owned());
    }
    Err(Fault::new(format!("`{text}` is no id: 1 to 255 of a-z A-Z 0-9 $ @ - _")))
}

/// The fields of a definition, read by name.
struct Fields<'a> {
    entries: &'a [(Datum, Datum)],
}

impl<'a> Fields<'a> {
    /// The fields of a map that has no other keys.
    fn of(datum: &'a Datum, known: &[&str]) -> Read<Self> {
        let fields = Self::any(datum)?;
        for (key, _) in fields.entries {
            let name =
                key.as_text().ok_or_else(|| Fault::new(format!("has the key {key}, which is no text")))?;
            if !known.contains(&&*name) {
                return Err(Fault::new(format!("has the unknown key `{name}`")));
            }
        }
        Ok(fields)
    }

    fn any(datum: &'a Datum) -> Read<Self> {
        match datum.as_map() {
            Some(entries) => Ok(Self { entries }),
            None => Err(Fault::new(format!("is {}, not a map", datum.kind()))),
        }
    }

    fn get(&self, key: &str) -> Option<&'a Datum> {
        self.entries.iter().find(|(name, _)| name.as_text().as_deref() == Some(key)).map(|(_, value)| value)
    }

    fn need<T>(&self, key: &str, read: impl Fn(&'a Datum) -> Read<T>) -> Read<T> {
        let value = self.get(key).ok_or_else(|| Fault::new(format!("`{key}` is missing")))?;
        read(value).map_err(|fault| fault.under(key))
    }

    fn text(&self, key: &str) -> Read<Option<String>> {
        match self.get(key) {
            None => Ok(None),
            Some(value) => match value.as_text() {
                Some(text) => Ok(Some(text.into_owned())),
                None => Err(Fault::new(format!("is {}, not a text", value.kind())).under(key)),
            },
        }
    }

    fn texts(&self, key: &str) -> Read<Vec<String>> {
        let Some(value) = self.get(key) else { return Ok(Vec::new()) };
        let wrong = || Fault::new("is no list of texts").under(key);
        let items = value.as_array().ok_or_else(wrong)?;
        items.iter().map(|item| item.as_text().map(|text| text.into_owned()).ok_or_else(wrong)).collect()
    }

    fn flag(&self, key: &str, default: bool) -> Read<bool> {
        match self.get(key) {
            None => Ok(default),
            Some(value) => value
                .as_bool()
                .ok_or_else(|| Fault::new(format!("is {}, not a boolean", value.kind())).under(key)),
        }
    }

    fn number(&self, key: &str) -> Read<Option<f64>> {
        self.get(key).map(to_float).transpose().map_err(|fault| fault.under(key))
    }

    /// `min` and `max`, integers of 0 or more.
    fn bounds(&self) -> Read<Bounds> {
        let bound = |key: &str| match self.get(key) {
            None => Ok(None),
            Some(value) => match value.as_int() {
                Some(value) if value >= 0 => Ok(Some(value)),
                _ => Err(Fault::new(format!("is {value}, not an integer of 0 or more")).under(key)),
            },
        };
        Ok(Bounds { min: bound("min")?, max: bound("max")? })
    }

    fn identifier(&self, key: &str) -> Read<String> {
        let text = self.text(key)?.ok_or_else(|| Fault::new(format!("`{key}` is missing")))?;
        identifier(&text).map_err(|fault| fault.under(key))
    }

    fn keys(&self, key: &str) -> Read<Vec<&'a Datum>> {
        let entries = self.get(key).and_then(Datum::as_map).unwrap_or_default();
        if entries.is_empty() {
            Err(Fault::new("needs a value").under(key))
        } else {
            Ok(entries.iter().map(|(key, _)| key).collect())
        }
    }

    fn map<T>(
        &self,
        key: &str,
        read: impl Fn(&str, &'a Datum) -> Read<(String, T)>,
    ) -> Read<Option<BTreeMap<String, T>>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let entries =
            value.as_map().ok_or_else(|| Fault::new(format!("is {}, not a map", value.kind())).under(key))?;
        let one = |(name, value): &'a (Datum, Datum)| {
            let name =
                name.as_text().ok_or_else(|| Fault::new(format!("has the key {name}, which is no text")))?;
            read(&name, value).map_err(|fault| fault.under(&name))
        };
        entries.iter().map(one).collect::<Read<BTreeMap<_, _>>>().map(Some).map_err(|fault| fault.under(key))
    }

    /// Names of a unit and of its multiples.
    fn units(&self) -> Read<()> {
        let Some(value) = self.get("units") else { return Ok(()) };
        let fields =
            Fields::of(value, &["base_unit", "multipliers"]).map_err(|fault| fault.under("units"))?;
        fields.need("base_unit", read_unit).map_err(|fault| fault.under("units"))?;
        for (factor, unit) in fields.get("multipliers").and_then(Datum::as_map).unwrap_or_default() {
            to_integer(factor).and_then(|_| read_unit(unit)).map_err(|fault| fault.under("units"))?;
        }
        Ok(())
    }

    fn display(&self) -> Read<()> {
        let Some(value) = self.get("display") else { return Ok(()) };
        let fields =
            Fields::of(value, &["name", "description", "icon"]).map_err(|fault| fault.under("display"))?;
        for key in ["name", "description", "icon"] {
            if fields.text(key)?.is_some_and(|text| text.is_empty()) {
                return Err(Fault::new("is empty").under(key).under("display"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datum::notation::parse_datum;

    fn schema(properties: &str) -> Read<Schema> {
        let scope =
            format!(r#"{{"objects": {{"in": {{"id": "in", "properties": {properties}}}}}, "root": "in"}}"#);
        let text = format!(
            r#"{{"steps": {{"s": {{"id": "s", "input": {scope}, "outputs": {{"success": {{"schema": {scope}}}}}}}}}}}"#
        );
        Schema::read(&parse_datum(&text).expect("a value"))
    }

    fn accept(properties: &str, value: &str) -> Result<String, String> {
        let schema = schema(properties).map_err(|fault| fault.to_string())?;
        let value = parse_datum(value).expect("a value");
        schema.steps["s"]
            .input
            .accept(&value)
            .map(|value| value.to_string())
            .map_err(|fault| fault.to_string())
    }

    #[test]
    fn literals_of_workflows_are_converted() {
        let properties = r#"{"i": {"type": {"type_id": "integer"}}, "b": {"type": {"type_id": "bool"}}}"#;
        assert_eq!(accept(properties, r#"{"i": "5", "b": "yes"}"#).as_deref(), Ok(r#"{"i": 5, "b": true}"#));
        assert_eq!(accept(properties, r#"{"i": "x", "b": true}"#), Err("/i: is text, not an integer".into()));
        assert_eq!(accept(properties, r#"{"i": 1}"#), Err("`b` is missing".into()));
        assert_eq!(
            accept(properties, r#"{"i": 1, "b": true, "c": 1}"#),
            Err("has the unknown key `c`".into())
        );
    }

    #[test]
    fn what_the_engine_refuses_is_refused() {
        let fault = |properties: &str| schema(properties).expect_err("a fault").to_string();
        assert!(
            fault(r#"{"a": {"type": {"type_id": "boolean"}}}"#)
                .ends_with("/type/type_id: `boolean` is no type")
        );
        assert!(
            fault(r#"{"a": {"type": {"type_id": "integer", "min": -1}}}"#)
                .ends_with("/type/min: is -1, not an integer of 0 or more")
        );
        assert!(
            fault(r#"{"a": {"type": {"type_id": "ref", "id": "none"}}}"#).contains("which does not exist")
        );
        assert!(fault(r#"{"a": {"type": {"type_id": "string", "pattern": "(?=x)"}}}"#).contains("RE2"));
        assert!(fault(r#"{"a": {"type": {"type_id": "map", "keys": {"type_id": "bool"}, "values": {"type_id": "any"}}}}"#).contains("keys are"));
    }

    #[test]
    fn limits_are_limits() {
        let properties =
            r#"{"name": {"type": {"type_id": "string", "min": 2, "max": 8, "pattern": "^[a-z]+$"}}}"#;
        assert!(accept(properties, r#"{"name": "ab"}"#).is_ok());
        for bad in [r#"{"name": "a"}"#, r#"{"name": "abcdefghi"}"#, r#"{"name": "aB"}"#, r#"{"name": true}"#]
        {
            assert!(accept(properties, bad).is_err(), "{bad}");
        }
    }
}
