//! `send = P or [P, ..]`: messages, encoded; with `split` in pieces, with `layout` in an odd one.

use std::sync::Arc;

use super::{Ran, StepAct};
use crate::actor::{Part, Payload, Pieces};
use crate::codec::{Damage, Layout};
use crate::datum::{Kind, Names, Pattern};
use crate::play::stage::Stage;
use crate::scenario::table::Table;

#[derive(Debug)]
struct Send {
    values: Vec<Pattern>,
    split: Pieces,
    layout: Option<Layout>,
}

impl StepAct for Send {
    fn run(&self, stage: &mut Stage<'_>) -> Ran {
        let Some(wire) = stage.connection() else { return Ran::NotYet };
        let mut payload = Payload::default();
        for pattern in &self.values {
            let encoded = pattern.value(stage.bindings()).and_then(|value| {
                stage.note_sent(&value);
                match &self.layout {
                    Some(layout) => stage.encode_odd(wire, &value, layout, &mut payload),
                    None => stage.encode(wire, Kind::Message, &value, &mut payload),
                }
            });
            if let Err(why) = encoded {
                return Ran::Failed(why);
            }
        }
        stage.write(wire, Part::Main, payload, self.split.clone());
        Ran::Done
    }

    fn names(&self, names: &mut Names) {
        self.values.iter().for_each(|pattern| pattern.names(names));
    }
}

pub(super) fn read(table: &Table<'_>) -> Option<Arc<dyn StepAct>> {
    let layout = table.table("layout").map(|table| layout(&table));
    Some(Arc::new(Send { values: table.closed_patterns("send"), split: split(table), layout }))
}

/// `layout = { longer = n }`, `shorter`, `trailing`, `damage`: a FlatBuffer that the ordinary library would not write.
fn layout(table: &Table<'_>) -> Layout {
    let few = |key| table.count(key).map_or(0, |count| u16::try_from(count).unwrap_or(u16::MAX));
    let damage = table.text("damage").and_then(|name| {
        let damage = Damage::from_name(&name.text);
        if damage.is_none() {
            table.unknown("damage", &name, Damage::ALL.map(Damage::name));
        }
        damage
    });
    let trailing = table.count("trailing").map_or(0, |count| u32::try_from(count).unwrap_or(u32::MAX));
    let layout = Layout { longer: few("longer"), shorter: few("shorter"), trailing, damage };
    table.finish();
    layout
}

/// `split = n` or `[4, 16]`.
pub(super) fn split(table: &Table<'_>) -> Pieces {
    match table.counts("split") {
        None => Pieces::Whole,
        Some(Ok(0)) => {
            table.problem(table.key_span("split"), "a piece has at least one byte");
            Pieces::Whole
        }
        Some(Ok(size)) => Pieces::Each(size),
        Some(Err(sizes)) => Pieces::Sizes(sizes),
    }
}
