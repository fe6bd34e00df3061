//! Writing as everybody does, through the builder of `flatbuffers`.

use std::borrow::Cow;

use flatbuffers::{FlatBufferBuilder, TableFinishedWIPOffset, UnionWIPOffset, WIPOffset};

use super::fields::{Fields, Run, Value};

/// A message, finished. A field that is there is written, also where it holds the default.
pub fn build(fields: &Fields) -> FlatBufferBuilder<'static> {
    let capacity = usize::try_from(fields.length()).unwrap_or_default().saturating_add(256);
    let mut builder = FlatBufferBuilder::with_capacity(capacity.next_power_of_two());
    let root = table(fields, &mut builder);
    builder.finish_minimal(root);
    builder
}

/// What a slot takes: a number, or the offset of what was written before its table.
enum Ready {
    One(u8),
    Two(u16),
    Four(u32),
    Offset(WIPOffset<UnionWIPOffset>),
}

fn table(fields: &Fields, builder: &mut FlatBufferBuilder<'_>) -> WIPOffset<TableFinishedWIPOffset> {
    let ready: Vec<(u16, Ready)> =
        fields.values.iter().map(|(slot, value)| (4 + 2 * slot, prepare(value, builder))).collect();
    let start = builder.start_table();
    for (place, value) in ready {
        match value {
            Ready::One(number) => builder.push_slot_always(place, number),
            Ready::Two(number) => builder.push_slot_always(place, number),
            Ready::Four(number) => builder.push_slot_always(place, number),
            Ready::Offset(offset) => builder.push_slot_always(place, offset),
        }
    }
    builder.end_table(start)
}

fn prepare(value: &Value, builder: &mut FlatBufferBuilder<'_>) -> Ready {
    match value {
        Value::Uint(number, 1) => Ready::One(*number as u8),
        Value::Uint(number, 2) => Ready::Two(*number as u16),
        Value::Uint(number, _) => Ready::Four(*number),
        Value::Text(text) => Ready::Offset(builder.create_byte_string(&whole(text)).as_union_value()),
        Value::Bytes(bytes) => Ready::Offset(builder.create_vector(&whole(bytes)).as_union_value()),
        Value::Tables(tables) => Ready::Offset(vector(tables, builder)),
        Value::Table(fields) => Ready::Offset(table(fields, builder).as_union_value()),
    }
}

fn vector(tables: &[Fields], builder: &mut FlatBufferBuilder<'_>) -> WIPOffset<UnionWIPOffset> {
    let offsets: Vec<_> = tables.iter().map(|fields| table(fields, builder)).collect();
    builder.create_vector(&offsets).as_union_value()
}

fn whole<'a>(run: &'a Run<'_>) -> Cow<'a, [u8]> {
    match run {
        Run::Bytes(bytes) => Cow::Borrowed(bytes),
        Run::Gen(generated) => Cow::Owned(generated.to_vec()),
    }
}
