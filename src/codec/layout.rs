//! Odd ways to write a FlatBuffer: what a reader of another version of the schema, or a careless one, may meet.

/// How a message differs from what the ordinary library writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// Every table has that many further slots, which no schema knows, each with a number in it.
    pub longer: u16,
    /// Every vtable lacks that many slots of the schema at its end. They must hold the default or nothing.
    pub shorter: u16,
    /// That many bytes follow the last table, inside the frame.
    pub trailing: u32,
    /// One place is broken.
    pub damage: Option<Damage>,
}

/// The one place of a FlatBuffer that is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// Nothing is there: a payload of length 0.
    Empty,
    /// Every byte is zero, which many readers take for a table without fields.
    Zeroes,
    /// The second half is missing.
    Truncated,
    /// The root offset points far outside.
    RootOffset,
    /// The offset of the root's vtable points far outside.
    VtableOffset,
    /// The first field that is there lies outside.
    FieldOffset,
    /// The first vector claims nearly 2^32 items.
    VectorLength,
    /// The first string claims nearly 2^32 bytes.
    StringLength,
}

impl Damage {
    /// Every kind.
    pub const ALL: [Damage; 8] = [
        Damage::Empty,
        Damage::Zeroes,
        Damage::Truncated,
        Damage::RootOffset,
        Damage::VtableOffset,
        Damage::FieldOffset,
        Damage::VectorLength,
        Damage::StringLength,
    ];

    /// The name in a scenario.
    pub fn name(self) -> &'static str {
        match self {
            Damage::Empty => "empty",
            Damage::Zeroes => "zeroes",
            Damage::Truncated => "truncated",
            Damage::RootOffset => "root-offset",
            Damage::VtableOffset => "vtable-offset",
            Damage::FieldOffset => "field-offset",
            Damage::VectorLength => "vector-length",
            Damage::StringLength => "string-length",
        }
    }

    /// The kind with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|damage| damage.name() == name)
    }
}
