//! Any value that the notation and CBOR can say.

use proptest::prelude::*;

use crate::datum::{Datum, Head, Int, Width};

/// Every kind of value, every width of head, at most four levels deep.
pub fn any_datum() -> impl Strategy<Value = Datum> {
    leaf().prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            (prop::collection::vec(inner.clone(), 0..5), container_head())
                .prop_map(|(items, head)| Datum::Array(items, head)),
            (prop::collection::vec((inner.clone(), inner.clone()), 0..5), container_head())
                .prop_map(|(entries, head)| Datum::Map(entries, head)),
            (any::<u64>(), inner).prop_map(|(number, datum)| Datum::Tag(
                number,
                Head::Preferred,
                Box::new(datum)
            )),
        ]
    })
}

fn leaf() -> impl Strategy<Value = Datum> {
    prop_oneof![
        Just(Datum::Null),
        Just(Datum::Undefined),
        any::<bool>().prop_map(Datum::Bool),
        prop_oneof![0_u8..20, 32_u8..].prop_map(Datum::Simple),
        (any::<bool>(), argument()).prop_map(|(negative, (argument, head))| Datum::Int(Int {
            negative,
            argument,
            head
        })),
        any::<f64>()
            .prop_filter("payloads of NaN have no notation", |value| !value.is_nan())
            .prop_map(|value| Datum::Float(value, Width::Double)),
        any::<f32>()
            .prop_filter("payloads of NaN have no notation", |value| !value.is_nan())
            .prop_map(|value| Datum::Float(value.into(), Width::Single)),
        (-2000_i32..2000).prop_map(|value| Datum::Float(f64::from(value) / 2.0, Width::Half)),
        Just(Datum::Float(f64::NAN, Width::Double)),
        (any::<String>(), prop_oneof![Just(Head::Preferred), Just(Head::Eight)])
            .prop_map(|(text, head)| Datum::Text(text.into(), head)),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(Datum::bytes),
        prop::collection::vec("[a-zäß€]{0,5}".prop_map(Datum::text), 1..4)
            .prop_map(|chunks| Datum::Chunks(true, chunks)),
        prop::collection::vec(prop::collection::vec(any::<u8>(), 0..4).prop_map(Datum::bytes), 1..4)
            .prop_map(|chunks| Datum::Chunks(false, chunks)),
    ]
}

fn container_head() -> impl Strategy<Value = Head> {
    prop_oneof![Just(Head::Preferred), Just(Head::Indefinite), Just(Head::Two)]
}

/// An argument with a head at least as wide as it needs; the shortest is called preferred.
fn argument() -> impl Strategy<Value = (u64, Head)> {
    prop_oneof![
        (any::<u64>(), Just(Head::Preferred)),
        (
            0_u64..24,
            prop_oneof![
                Just(Head::Preferred),
                Just(Head::One),
                Just(Head::Two),
                Just(Head::Four),
                Just(Head::Eight)
            ]
        ),
        (24_u64..256, prop_oneof![Just(Head::Preferred), Just(Head::Two), Just(Head::Eight)]),
    ]
}
