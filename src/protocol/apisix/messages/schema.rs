//! The schema: every table as its slots, in the order of api7/ext-plugin-proto 4af76c2 (v0.6.1), `ext-plugin.fbs`.
//!
//! A slot is an index into the vtable; all fields are optional, scalars default to 0, a union takes two slots
//! (its tag, then its table). No struct, no file identifier, no size prefix.

/// Who writes a message: the same frame type holds another table in each direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Apache APISIX: it sends requests, and answers questions of the runner.
    Gateway,
    /// The plugin runner: it sends replies, errors and questions.
    Runner,
}

/// A table of the schema.
#[derive(Debug)]
pub struct Table {
    /// Its name; in a union the name of the variant.
    pub name: &'static str,
    /// Its fields in order of their slots.
    pub slots: &'static [Slot],
}

/// A field of a table.
#[derive(Debug)]
pub struct Slot {
    /// Its index into the vtable; of a union that of the tag.
    pub at: u16,
    /// Its key in a `Datum`.
    pub key: &'static str,
    /// What it holds.
    pub holds: Holds,
}

/// What a field holds.
#[derive(Clone, Copy, Debug)]
pub enum Holds {
    /// An unsigned number of that many bytes.
    Uint(u8),
    /// An HTTP method, by its place in [`METHODS`].
    Method,
    /// A string.
    Text,
    /// A vector of bytes.
    Bytes,
    /// A vector of such tables.
    Tables(&'static Table),
    /// A union of these; the tag of the first is 1, and 0 means none.
    Union(&'static [&'static Table]),
}

impl Table {
    /// How many slots the schema knows.
    pub fn width(&self) -> u16 {
        self.slots.last().map_or(0, |slot| slot.at + slot.holds.width())
    }
}

impl Holds {
    /// How many slots it takes.
    fn width(self) -> u16 {
        if matches!(self, Holds::Union(_)) { 2 } else { 1 }
    }
}

/// Names of the frame types (`apisix/constants.lua` lines 18-22); the place is the number.
pub const TYPES: [&str; 5] = ["Error", "PrepareConf", "HTTPReqCall", "ExtraInfo", "HTTPRespCall"];

/// Names of the methods (`ext-plugin.fbs` lines 29-45); the place is the number. CONNECT does not exist.
pub const METHODS: [&str; 15] = [
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "DELETE",
    "MKCOL",
    "COPY",
    "MOVE",
    "OPTIONS",
    "PROPFIND",
    "PROPPATCH",
    "LOCK",
    "UNLOCK",
    "PATCH",
    "TRACE",
];

/// The table that a frame of this type from this side holds.
pub fn root(kind: u8, from: Side) -> Option<&'static Table> {
    Some(match (kind, from) {
        (0, _) => &ERROR,
        (1, Side::Gateway) => &PREPARE,
        (1, Side::Runner) => &PREPARED,
        (2, Side::Gateway) => &CALL,
        (2, Side::Runner) => &CALLED,
        (3, Side::Gateway) => &ANSWER,
        (3, Side::Runner) => &QUESTION,
        (4, Side::Gateway) => &RESPONSE,
        (4, Side::Runner) => &RESPONDED,
        _ => return None,
    })
}

static ENTRY: Table =
    Table { name: "TextEntry", slots: &[slot(0, "name", Holds::Text), slot(1, "value", Holds::Text)] };

static ERROR: Table = Table { name: "Error", slots: &[slot(0, "code", Holds::Uint(1))] };

static PREPARE: Table = Table {
    name: "PrepareConf request",
    slots: &[slot(0, "conf", Holds::Tables(&ENTRY)), slot(1, "key", Holds::Text)],
};

static PREPARED: Table = Table { name: "PrepareConf reply", slots: &[slot(0, "token", Holds::Uint(4))] };

static CALL: Table = Table {
    name: "HTTPReqCall request",
    slots: &[
        slot(0, "id", Holds::Uint(4)),
        slot(1, "src_ip", Holds::Bytes),
        slot(2, "method", Holds::Method),
        slot(3, "path", Holds::Text),
        slot(4, "args", Holds::Tables(&ENTRY)),
        slot(5, "headers", Holds::Tables(&ENTRY)),
        slot(6, "token", Holds::Uint(4)),
    ],
};

static STOP: Table = Table {
    name: "Stop",
    slots: &[
        slot(0, "status", Holds::Uint(2)),
        slot(1, "headers", Holds::Tables(&ENTRY)),
        slot(2, "body", Holds::Bytes),
    ],
};

static REWRITE: Table = Table {
    name: "Rewrite",
    slots: &[
        slot(0, "path", Holds::Text),
        slot(1, "headers", Holds::Tables(&ENTRY)),
        slot(2, "args", Holds::Tables(&ENTRY)),
        slot(3, "resp_headers", Holds::Tables(&ENTRY)),
        slot(4, "body", Holds::Bytes),
    ],
};

static CALLED: Table = Table {
    name: "HTTPReqCall reply",
    slots: &[slot(0, "id", Holds::Uint(4)), slot(1, "action", Holds::Union(&[&STOP, &REWRITE]))],
};

static VAR: Table = Table { name: "Var", slots: &[slot(0, "name", Holds::Text)] };
static REQUEST_BODY: Table = Table { name: "ReqBody", slots: &[] };
static RESPONSE_BODY: Table = Table { name: "RespBody", slots: &[] };

static QUESTION: Table = Table {
    name: "ExtraInfo question",
    slots: &[slot(0, "info", Holds::Union(&[&VAR, &REQUEST_BODY, &RESPONSE_BODY]))],
};

static ANSWER: Table = Table { name: "ExtraInfo answer", slots: &[slot(0, "result", Holds::Bytes)] };

static RESPONSE: Table = Table {
    name: "HTTPRespCall request",
    slots: &[
        slot(0, "id", Holds::Uint(4)),
        slot(1, "status", Holds::Uint(2)),
        slot(2, "headers", Holds::Tables(&ENTRY)),
        slot(3, "token", Holds::Uint(4)),
    ],
};

static RESPONDED: Table = Table {
    name: "HTTPRespCall reply",
    slots: &[
        slot(0, "id", Holds::Uint(4)),
        slot(1, "status", Holds::Uint(2)),
        slot(2, "headers", Holds::Tables(&ENTRY)),
        slot(3, "body", Holds::Bytes),
    ],
};

const fn slot(at: u16, key: &'static str, holds: Holds) -> Slot {
    Slot { at, key, holds }
}
