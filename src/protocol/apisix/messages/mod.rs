//! The messages of the protocol: FlatBuffers whose schema is a table of slots in our own words.
//!
//! [`read()`] checks and copies a buffer in one pass; [`Fields`] is a checked value on its way out, which [`mod@build`]
//! writes with the ordinary library and [`mod@odd`] in layouts that the library never gives.

pub mod build;
pub mod fields;
pub mod odd;
pub mod read;
pub mod schema;

pub use fields::{Fields, Run, Value};
pub use read::{Broken, read};
pub use schema::{Holds, Side, Slot, Table};
