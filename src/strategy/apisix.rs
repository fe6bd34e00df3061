//! Messages of APISIX and its runner, odd layouts of them, and streams of frames that hold them or nearly do.

use proptest::prelude::*;
use proptest::sample::Index;

use super::cbor::damaged;
use crate::actor::Payload;
use crate::codec::{Codec, Damage, Layout};
use crate::datum::{Datum, Head, Kind};
use crate::protocol::apisix::Apisix;
use crate::protocol::apisix::messages::schema::{Holds, METHODS, Side, TYPES, Table, root};

type Entries = Vec<(Datum, Datum)>;

/// A message that this side may write: any fields present, in order of their slots; sometimes an unknown type.
pub fn any_message(side: Side) -> impl Strategy<Value = Datum> {
    let known = (0..TYPES.len() as u8).prop_flat_map(move |kind| {
        let table = root(kind, side).expect("every type has a table");
        fields(table).prop_map(move |fields| {
            let mut entries = vec![("type".into(), Datum::text(TYPES[usize::from(kind)]))];
            entries.extend(fields);
            Datum::Map(entries, Head::Preferred)
        })
    });
    let unknown =
        (TYPES.len() as u8.., prop::collection::vec(any::<u8>(), 0..20)).prop_map(|(kind, payload)| {
            Datum::map([("type", Datum::from(u64::from(kind))), ("payload", Datum::bytes(payload))])
        });
    prop_oneof![9 => known, 1 => unknown]
}

/// Layouts that every reader must understand.
pub fn any_layout() -> impl Strategy<Value = Layout> {
    let width =
        prop_oneof![(0..5_u16).prop_map(|longer| (longer, 0)), (1..3_u16).prop_map(|shorter| (0, shorter)),];
    let trailing = prop_oneof![Just(0), 0..40_u32];
    (width, trailing).prop_map(|((longer, shorter), trailing)| Layout {
        longer,
        shorter,
        trailing,
        damage: None,
    })
}

/// Frames of this side in ordinary and odd layouts; two thirds of the streams are near misses: places of a message
/// damaged, bytes a little larger or smaller, and (in one third) bytes changed, added or missing anywhere.
pub fn near_frames(side: Side) -> impl Strategy<Value = Vec<u8>> {
    let broken = prop::option::weighted(0.2, prop::sample::select(&Damage::ALL[..]));
    let messages = prop::collection::vec((any_message(side), any_layout(), broken), 0..4);
    let nudges = prop::collection::vec((any::<Index>(), prop_oneof![1..=8_u8, 248..=255_u8]), 1..4);
    let damage = prop::collection::vec((any::<Index>(), any::<u8>(), 0..3_u8), 0..4);
    (messages, nudges, damage, 0..3_u8).prop_map(move |(messages, nudges, damage, how)| {
        let frames = messages.into_iter().flat_map(|(datum, layout, broken)| {
            let broken = broken.filter(|_| how > 0);
            bytes_of(side, &datum, Layout { damage: broken, ..layout })
        });
        let frames = frames.collect();
        match how {
            0 => frames,
            1 => nudged(frames, nudges),
            _ => damaged(frames, damage),
        }
    })
}

/// Adds a little to single bytes: offsets and lengths that nearly fit.
fn nudged(mut bytes: Vec<u8>, nudges: Vec<(Index, u8)>) -> Vec<u8> {
    for (place, by) in nudges {
        let at = place.index(bytes.len().max(1));
        bytes.get_mut(at).into_iter().for_each(|byte| *byte = byte.wrapping_add(by));
    }
    bytes
}

/// The message in that layout, or in the ordinary one where it cannot be written so.
fn bytes_of(side: Side, datum: &Datum, layout: Layout) -> Vec<u8> {
    let mut codec = match side {
        Side::Gateway => Apisix::gateway_side(),
        Side::Runner => Apisix::runner_side(),
    };
    let mut out = Payload::default();
    if codec.encode_odd(datum, &layout, &mut out).is_err() {
        codec.encode(Kind::Message, datum, &mut out).expect("a valid message");
    }
    out.to_vec(&|_| None).expect("no packages")
}

fn fields(table: &'static Table) -> BoxedStrategy<Entries> {
    table.slots.iter().fold(Just(Vec::new()).boxed(), |before, slot| {
        (before, prop::option::of(value(slot.holds)))
            .prop_map(|(mut entries, value)| {
                entries.extend(value.map(|value| (Datum::text(slot.key), value)));
                entries
            })
            .boxed()
    })
}

fn value(holds: Holds) -> BoxedStrategy<Datum> {
    match holds {
        Holds::Uint(width) => {
            let most = u64::from(u32::MAX >> (32 - 8 * u32::from(width)));
            prop_oneof![Just(0), Just(most), 0..=most].prop_map(Datum::from).boxed()
        }
        Holds::Method => {
            let unknown = (METHODS.len() as u64..256).prop_map(Datum::from);
            prop_oneof![4 => prop::sample::select(&METHODS[..]).prop_map(Datum::text), 1 => unknown].boxed()
        }
        Holds::Text => text().boxed(),
        Holds::Bytes => prop::collection::vec(any::<u8>(), 0..40).prop_map(Datum::bytes).boxed(),
        Holds::Tables(table) => prop::collection::vec(map(table), 0..4).prop_map(Datum::array).boxed(),
        Holds::Union(variants) => union(variants),
    }
}

/// A string; in a few cases bytes that are no UTF-8.
fn text() -> impl Strategy<Value = Datum> {
    let foreign = prop::collection::vec(any::<u8>(), 0..8).prop_map(|mut bytes| {
        bytes.push(0xff);
        Datum::bytes(bytes)
    });
    prop_oneof![9 => ".{0,12}".prop_map(Datum::text), 1 => foreign]
}

fn map(table: &'static Table) -> BoxedStrategy<Datum> {
    fields(table).prop_map(|entries| Datum::Map(entries, Head::Preferred)).boxed()
}

fn union(variants: &'static [&'static Table]) -> BoxedStrategy<Datum> {
    let single = |key: Datum, inner: Datum| Datum::Map(vec![(key, inner)], Head::Preferred);
    let known = prop::sample::select(variants)
        .prop_flat_map(move |table| map(table).prop_map(move |inner| single(Datum::text(table.name), inner)));
    let bare =
        prop::sample::select(variants).prop_map(move |table| single(Datum::text(table.name), Datum::Null));
    let unknown = (variants.len() as u64 + 1..256, any::<bool>()).prop_map(move |(tag, table)| {
        single(Datum::from(tag), if table { Datum::Map(Vec::new(), Head::Preferred) } else { Datum::Null })
    });
    prop_oneof![6 => known, 1 => bare, 1 => unknown, 1 => Just(Datum::Null)].boxed()
}
