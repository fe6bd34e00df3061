//! What a user of `flatbuffers` does with a call: the library's verifier, led through the fields, and a copy of each.

use std::hint::black_box;

use flatbuffers::{ForwardsUOffset, InvalidFlatbuffer, Vector, Verifiable, Verifier, VerifierOptions};

/// `HTTPReqCall`, its fields in order of their slots (`ext-plugin.fbs`).
#[derive(Default)]
struct Call {
    id: u32,
    address: Vec<u8>,
    method: u8,
    path: String,
    arguments: Vec<Entry>,
    headers: Vec<Entry>,
    token: u32,
}

#[derive(Default)]
struct Entry {
    name: String,
    value: String,
}

/// How many frames of the stream are calls.
pub(super) fn verified_and_copied(mut bytes: &[u8]) -> usize {
    let mut count = 0;
    while let [_, a, b, c, rest @ ..] = bytes {
        let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        let Some((payload, after)) = rest.split_at_checked(length) else { break };
        count += usize::from(black_box(call(payload)).is_ok());
        bytes = after;
    }
    count
}

fn call(buffer: &[u8]) -> Result<Call, InvalidFlatbuffer> {
    let options = VerifierOptions::default();
    let mut verifier = Verifier::new(&options, buffer);
    let start = verifier.get_uoffset(0)? as usize;
    let mut table = verifier.visit_table(start)?;
    let mut at = [None; 7];
    for (slot, place) in at.iter_mut().enumerate() {
        *place = table.deref(4 + 2 * slot as u16)?;
    }
    let verifier = table.verifier();
    let mut call = Call::default();
    if let Some(at) = at[0] {
        u32::run_verifier(verifier, at)?;
        call.id = number(buffer, at);
    }
    if let Some(at) = at[1] {
        call.address = blob(verifier, buffer, at)?.to_vec();
    }
    if let Some(at) = at[2] {
        u8::run_verifier(verifier, at)?;
        call.method = buffer[at];
    }
    if let Some(at) = at[3] {
        call.path = text(verifier, buffer, at)?;
    }
    if let Some(at) = at[4] {
        call.arguments = entries(verifier, buffer, at)?;
    }
    if let Some(at) = at[5] {
        call.headers = entries(verifier, buffer, at)?;
    }
    if let Some(at) = at[6] {
        u32::run_verifier(verifier, at)?;
        call.token = number(buffer, at);
    }
    Ok(call)
}

fn entries(verifier: &mut Verifier, buffer: &[u8], at: usize) -> Result<Vec<Entry>, InvalidFlatbuffer> {
    <ForwardsUOffset<Vector<u32>>>::run_verifier(verifier, at)?;
    let start = at + number(buffer, at) as usize;
    (0..number(buffer, start) as usize).map(|n| entry(verifier, buffer, start + 4 + 4 * n)).collect()
}

fn entry(verifier: &mut Verifier, buffer: &[u8], at: usize) -> Result<Entry, InvalidFlatbuffer> {
    let mut table = verifier.visit_table(at + number(buffer, at) as usize)?;
    let (name, value) = (table.deref(4)?, table.deref(6)?);
    let verifier = table.verifier();
    let mut entry = Entry::default();
    if let Some(at) = name {
        entry.name = text(verifier, buffer, at)?;
    }
    if let Some(at) = value {
        entry.value = text(verifier, buffer, at)?;
    }
    Ok(entry)
}

fn text(verifier: &mut Verifier, buffer: &[u8], at: usize) -> Result<String, InvalidFlatbuffer> {
    <ForwardsUOffset<&str>>::run_verifier(verifier, at)?;
    Ok(String::from_utf8_lossy(content(buffer, at)).into_owned())
}

fn blob<'a>(verifier: &mut Verifier, buffer: &'a [u8], at: usize) -> Result<&'a [u8], InvalidFlatbuffer> {
    <ForwardsUOffset<Vector<u8>>>::run_verifier(verifier, at)?;
    Ok(content(buffer, at))
}

/// The bytes that a verified offset points to.
fn content(buffer: &[u8], at: usize) -> &[u8] {
    let start = at + number(buffer, at) as usize;
    &buffer[start + 4..start + 4 + number(buffer, start) as usize]
}

/// A number whose place was verified.
fn number(buffer: &[u8], at: usize) -> u32 {
    buffer[at..].first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes))
}
