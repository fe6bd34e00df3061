//! Inputs that fit, drawn with a seed.

use super::{Trial, Wanted, fit, pattern};
use crate::datum::{Datum, Head};
use crate::protocol::arcaflow::schema::{Bounds, Object, Scope, Type};

/// How deep values go.
const DEPTH: usize = 6;

/// So many inputs of a step.
pub(super) fn trials(scope: &Scope, seed: u64, count: u64) -> Vec<Trial> {
    let mut draw = Draw(seed);
    let samples = (0..count).filter_map(|nth| {
        let input = object(scope.root(), scope, &mut draw, DEPTH)?;
        Some(Trial::new(format!("sample {nth}"), input, Wanted::Answer))
    });
    let trials: Vec<Trial> = samples.collect();
    if trials.is_empty() {
        fit::plain(scope).map(|input| Trial::new("sample 0", input, Wanted::Answer)).into_iter().collect()
    } else {
        trials
    }
}

/// Random numbers: SplitMix64, which needs nothing but its seed.
pub(super) struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, most: u64) -> u64 {
        self.next() % most.max(1)
    }

    /// A small number within bounds: steps are run with it, and may wait or allocate as much.
    fn within(&mut self, bounds: Bounds, spread: u64) -> i128 {
        let least = bounds.min.unwrap_or(0);
        let value = least + i128::from(self.below(spread));
        bounds.max.map_or(value, |max| value.min(max)).max(least)
    }
}

fn object(object: &Object, scope: &Scope, draw: &mut Draw, depth: usize) -> Option<Datum> {
    let wanted: Vec<&str> =
        object.properties.keys().filter(|_| draw.below(2) == 0).map(String::as_str).collect();
    let names =
        fit::object(object, scope, &wanted, depth).or_else(|| fit::object(object, scope, &[], depth))?;
    let entries = names.as_map().unwrap_or_default().iter().map(|(name, plain)| {
        let kind = name.as_text().and_then(|name| object.properties.get(&*name)).map(|own| &own.kind);
        let drawn = kind.zip(depth.checked_sub(1)).and_then(|(kind, depth)| value(kind, scope, draw, depth));
        (name.clone(), drawn.unwrap_or_else(|| plain.clone()))
    });
    Some(Datum::Map(entries.collect(), Head::Preferred))
}

fn value(kind: &Type, scope: &Scope, draw: &mut Draw, depth: usize) -> Option<Datum> {
    Some(match kind {
        Type::String(text) => Datum::text(pattern::text(text, Some(draw.within(text.length, 6)))?),
        Type::Integer(integer) => fit::whole(draw.within(integer.bounds, 8))?,
        Type::Float(float) => {
            let value = float.min.unwrap_or(0.0) + draw.below(16) as f64 / 4.0;
            Datum::from(float.max.map_or(value, |max| value.min(max)))
        }
        Type::Bool => Datum::from(draw.below(2) == 0),
        Type::EnumString(values) => Datum::text(values.get(draw.below(values.len() as u64) as usize)?),
        Type::EnumInteger(values) => {
            fit::whole(*values.values.get(draw.below(values.values.len() as u64) as usize)?)?
        }
        Type::List(list) => {
            let count = draw.within(list.length, 4);
            let items = (0..count).map(|_| value(&list.items, scope, draw, depth.checked_sub(1)?));
            Datum::array(items.collect::<Option<Vec<_>>>()?)
        }
        Type::Map(map) => {
            let count = usize::try_from(draw.within(map.length, 4)).ok()?;
            let keys = fit::keys(&map.keys, count)?.into_iter();
            let entries =
                keys.map(|key| Some((key, value(&map.values, scope, draw, depth.checked_sub(1)?)?)));
            Datum::Map(entries.collect::<Option<Vec<_>>>()?, Head::Preferred)
        }
        Type::Object(inner) => object(inner, scope, draw, depth)?,
        Type::Scope(inner) => object(inner.root(), inner, draw, depth)?,
        Type::Ref(id) => object(scope.object(id)?, scope, draw, depth)?,
        Type::OneOf(one_of) => {
            let (key, member) = one_of.types.get(draw.below(one_of.types.len() as u64) as usize)?;
            fit::tagged(value(member, scope, draw, depth.checked_sub(1)?)?, &one_of.field, key)
        }
        Type::Any => match draw.below(4) {
            0 => Datum::text("any"),
            1 => Datum::from(7_i64),
            2 => Datum::array([Datum::from(1_i64), Datum::from(2_i64)]),
            _ => Datum::map([("k", Datum::from(true))]),
        },
        Type::Pattern => Datum::text("^a+$"),
    })
}
