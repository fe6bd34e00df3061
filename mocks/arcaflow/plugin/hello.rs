//! What the reference plugin says of itself: the hello of each profile, and broken ones of mutants.

use super::{Dialect, Plugin};
use crate::actor::Nanos;
use crate::datum::Datum;
use crate::mocks::Acting;
use crate::mocks::arcaflow::contract::{SCHEMA, STEPS_OF_THE_DOCUMENT};
use crate::protocol::arcaflow::schema::Schema;

/// How long after its hello a mutant begins what it must not.
const BEAT: Nanos = 50_000_000;

impl Plugin {
    pub(super) fn greet(&mut self, out: &mut Acting<'_>) {
        self.greeted = true;
        let hello = match self.dialect {
            Dialect::Document => self.hello_of_the_document(),
            Dialect::V1 | Dialect::V3 => self.hello(),
        };
        self.send(&hello, out);
        if self.is("child-after-hello") {
            out.wake(out.now + BEAT);
        }
        if self.is("hello-twice") || self.is("hello-repeated") {
            self.send(&hello, out);
        }
    }

    fn hello(&self) -> Datum {
        let version = match self.mutant.as_str() {
            "version-one" => Datum::from(1_i64),
            "version-two" => Datum::from(2_i64),
            "version-three" => Datum::from(3_i64),
            "version-text" => Datum::text("3"),
            "version-float" => Datum::from(3.0),
            _ if self.dialect == Dialect::V1 => Datum::from(1_i64),
            _ => Datum::from(3_i64),
        };
        let schema = match self.mutant.as_str() {
            "schema-root-missing" => broken_schema(),
            "hello-too-deep" => deep_schema(),
            "python-only-pattern" => lookahead_schema(),
            _ => SCHEMA.clone(),
        };
        let mut hello = vec![("version", version), ("schema", schema)];
        if self.is("hello-extra-key") {
            hello.push(("name", Datum::text("plugin")));
        }
        if self.is("hello-without-schema") {
            hello.remove(1);
        }
        Datum::map(hello)
    }

    fn hello_of_the_document(&self) -> Datum {
        let version = match self.mutant.as_str() {
            "version-zero" => 0_i64,
            "version-seven" => 7,
            _ => 1,
        };
        let steps = match self.mutant.as_str() {
            "step-without-outputs" => {
                Datum::map([("echo", Datum::map([("input", Datum::map([("type", Datum::text("object"))]))]))])
            }
            "types-of-the-deployed" => SCHEMA.get("steps").cloned().unwrap_or(Datum::Null),
            _ => STEPS_OF_THE_DOCUMENT.clone(),
        };
        let key = if self.is("hello-says-schema") { "schema" } else { "steps" };
        Datum::map([("version", Datum::from(version)), (key, steps)])
    }
}

/// A schema whose first input has no root object: the deployed engine crashes on it.
fn broken_schema() -> Datum {
    let scope = Datum::map([("objects", Datum::map::<String>([])), ("root", Datum::text("in"))]);
    let output = Datum::map([("schema", scope.clone())]);
    let step = Datum::map([
        ("id", Datum::text("echo")),
        ("input", scope),
        ("outputs", Datum::map([("success", output)])),
    ]);
    let schema = Datum::map([("steps", Datum::map([("echo", step)]))]);
    debug_assert!(Schema::read(&schema).is_err());
    schema
}

/// The schema with a pattern that only Python reads.
fn lookahead_schema() -> Datum {
    let text = SCHEMA.to_string().replace("^[a-z]+$", "^(?=a)[a-z]+$");
    crate::datum::notation::parse_datum(&text).unwrap_or(Datum::Null)
}

/// A schema with a list of lists of lists, 40 levels deep.
fn deep_schema() -> Datum {
    let list = |items| Datum::map([("type_id", Datum::text("list")), ("items", items)]);
    let deep = (0..40).fold(Datum::map([("type_id", Datum::text("string"))]), |items, _| list(items));
    let property = Datum::map([("type", deep), ("required", Datum::from(false))]);
    let object = Datum::map([("id", Datum::text("in")), ("properties", Datum::map([("deep", property)]))]);
    let scope = Datum::map([("objects", Datum::map([("in", object)])), ("root", Datum::text("in"))]);
    let output = Datum::map([("schema", scope.clone())]);
    let step = Datum::map([
        ("id", Datum::text("deep")),
        ("input", scope),
        ("outputs", Datum::map([("success", output)])),
    ]);
    let mut steps = SCHEMA.get("steps").and_then(Datum::as_map).unwrap_or_default().to_vec();
    steps.push((Datum::text("deep"), step));
    Datum::map([("steps", Datum::Map(steps, crate::datum::Head::Preferred))])
}

/// The notation of values is YAML, as long as they are texts, numbers, booleans, lists and maps.
pub(super) fn yaml_of(datum: &Datum) -> String {
    datum.to_string()
}
