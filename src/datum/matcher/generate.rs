//! `$gen(text, n)`, `$gen(bytes, n)`, `$gen(repeat, "xy", n)`: a long value by its rule.

use std::sync::Arc;

use super::{Args, Built, Matcher};
use crate::datum::notation::{Arg, Form};
use crate::datum::{Bindings, Datum, Generated, Mismatch, Scope, View, equal};

#[derive(Debug)]
struct Generate(Generated);

impl Matcher for Generate {
    fn matches(&self, view: View<'_>, scope: &mut Scope<'_>) -> Result<(), Mismatch> {
        let datum = view.message(&self.0)?;
        equal(&Datum::Gen(self.0.clone()), datum, scope.compare)
    }

    fn value(&self, _: &Bindings) -> Result<Datum, String> {
        Ok(Datum::Gen(self.0.clone()))
    }

    fn is_closed(&self) -> bool {
        true
    }
}

pub(super) fn build(args: Args<'_>) -> Built {
    let usage = || "is written $gen(text, n), $gen(bytes, n) or $gen(repeat, \"xy\", n)".to_owned();
    let count = |form: &Form| match form {
        Form::Scalar(Datum::Int(int)) if !int.negative => Ok(int.argument),
        _ => Err(usage()),
    };
    let generated = match args.args {
        [Arg::Word(kind, _), Arg::Value(n)] if kind == "text" => Generated::Text(count(&n.form)?),
        [Arg::Word(kind, _), Arg::Value(n)] if kind == "bytes" => Generated::Bytes(count(&n.form)?),
        [Arg::Word(kind, _), Arg::Value(unit), Arg::Value(n)] if kind == "repeat" => match &unit.form {
            Form::Text(unit, _) => Generated::Repeat(unit.clone(), count(&n.form)?),
            Form::Scalar(Datum::Bytes(unit, _)) => Generated::RepeatBytes(unit.clone(), count(&n.form)?),
            _ => return Err(usage()),
        },
        _ => return Err(usage()),
    };
    Ok(Arc::new(Generate(generated)))
}
