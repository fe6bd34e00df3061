//! Apache APISIX and its external plugin runner: FlatBuffers in frames.
//!
//! A message is a map: `type` (the name of the frame type), then the fields of its table in order of their slots,
//! `token` for `conf_token`. A field that is absent on the wire is absent here, also a number. Enumerators are
//! names where the schema has one and numbers where it has none; codes of errors are numbers. A union is a map
//! with one key, `{"Rewrite": {..}}`: without its table `{"Stop": null}`, of an unknown tag `{9: {}}` or
//! `{9: null}`, and `null` where a tag says none. A string that is not UTF-8 is bytes.
//!
//! A frame of a type that nobody knows is a message too, `{"type": 200, "payload": h'..'}`, so that scenarios
//! can expect and send it. To send any bytes under a known type, `payload` stands for all its fields.

#[cfg(test)]
mod captures;
pub mod meaning;
pub mod messages;
mod watch;

use messages::odd::Draft;
use messages::schema::{TYPES, root};
use messages::{Fields, Side, build, read};

use crate::actor::Payload;
use crate::codec::frame::{self, Frame, Frames};
use crate::codec::{Codec, Layout, Malformed, Message, Sink};
use crate::datum::{Compare, Datum, Head, Kind};

/// The codec of one connection, as one of its two ends sees it.
pub struct Apisix {
    frames: Frames,
    /// Whose messages it reads; it writes those of the other.
    reads: Side,
    defaults: bool,
}

impl Apisix {
    /// For who plays the runner: reads what the gateway writes, and writes what a runner does.
    pub fn runner_side() -> Self {
        Self { frames: Frames::default(), reads: Side::Gateway, defaults: false }
    }

    /// For who plays the gateway: reads what the runner writes, and writes what a gateway does.
    pub fn gateway_side() -> Self {
        Self { frames: Frames::default(), reads: Side::Runner, defaults: false }
    }

    /// Gives an absent number or method as its default, as the accessors of the ordinary libraries do; a union whose
    /// tag says none is absent then.
    #[must_use]
    pub fn with_defaults(self) -> Self {
        Self { defaults: true, ..self }
    }

    fn writes(&self) -> Side {
        match self.reads {
            Side::Gateway => Side::Runner,
            Side::Runner => Side::Gateway,
        }
    }
}

impl Codec for Apisix {
    fn feed(&mut self, bytes: &[u8]) {
        self.frames.feed(bytes);
    }

    fn next(&mut self) -> Option<Result<Message, Malformed>> {
        let frame = self.frames.next_frame()?;
        Some(message(&frame, self.reads, self.defaults))
    }

    fn finish(&mut self) -> Option<Malformed> {
        let (at, reason) = self.frames.rest()?;
        Some(Malformed { at, reason, fatal: true })
    }

    fn encode(&mut self, _: Kind, datum: &Datum, out: &mut Payload) -> Result<(), String> {
        let kind = frame_type(datum)?;
        if let Some(payload) = raw(datum, kind)? {
            return framed(kind, &payload, out);
        }
        let fields = fields(datum, kind, self.writes())?;
        if fields.generated() {
            return drafted(kind, &fields, &Layout::default(), out);
        }
        framed(kind, build::build(&fields).finished_data(), out)
    }

    fn encode_odd(&mut self, datum: &Datum, layout: &Layout, out: &mut Payload) -> Result<(), String> {
        let kind = frame_type(datum)?;
        if raw(datum, kind)?.is_some() {
            return Err("a payload given as bytes has no layout".into());
        }
        drafted(kind, &fields(datum, kind, self.writes())?, layout, out)
    }

    fn compare(&self) -> Compare {
        Compare::Typed
    }
}

/// The stateful checks of rules.
pub fn watch(name: &str) -> Option<Box<dyn crate::protocol::Watch>> {
    match name {
        "meaning" => Some(Box::new(watch::Meaning)),
        "prepared-again" => Some(Box::new(watch::PreparedAgain::default())),
        "prepared-once" => Some(Box::new(watch::PreparedOnce::default())),
        "says" => Some(Box::new(watch::Says)),
        _ => None,
    }
}

/// The names of the stateful checks.
pub const WATCHES: [&str; 4] = ["meaning", "prepared-again", "prepared-once", "says"];

fn message(frame: &Frame, from: Side, defaults: bool) -> Result<Message, Malformed> {
    let wire = frame.wire.clone();
    let Some(table) = root(frame.kind, from) else {
        let entries =
            [("type", Datum::from(u64::from(frame.kind))), ("payload", Datum::bytes(frame.payload))];
        return Ok(Message { kind: Kind::Message, datum: Datum::map(entries), wire });
    };
    let mut entries = Vec::with_capacity(table.slots.len() + 1);
    entries.push((Datum::text("type"), Datum::text(TYPES[usize::from(frame.kind)])));
    match read(frame.payload, table, defaults, &mut entries) {
        Ok(()) => Ok(Message { kind: Kind::Message, datum: Datum::Map(entries, Head::Preferred), wire }),
        Err(broken) => {
            let at = wire.end - frame.payload.len() as u64 + broken.at as u64;
            Err(Malformed { at, reason: format!("{} is damaged: {broken}", table.name), fatal: false })
        }
    }
}

fn frame_type(datum: &Datum) -> Result<u8, String> {
    let Some(kind) = datum.get("type") else { return Err("a message of this protocol has a `type`".into()) };
    let place = TYPES.iter().position(|name| kind.as_text().as_deref() == Some(*name));
    let number = place.map(|place| place as u8).or_else(|| kind.as_int().and_then(|n| u8::try_from(n).ok()));
    number
        .ok_or_else(|| format!("there is no type {kind}, there are {} (others by number)", TYPES.join(", ")))
}

/// The payload that stands for all fields. An unknown type has no fields.
fn raw(datum: &Datum, kind: u8) -> Result<Option<Vec<u8>>, String> {
    match datum.get("payload") {
        None if usize::from(kind) < TYPES.len() => Ok(None),
        None => Err(format!("a frame of the unknown type {kind} has a `payload`")),
        Some(_) if datum.as_map().is_some_and(|entries| entries.len() > 2) => {
            Err("a `payload` stands for all fields, it has none beside it".into())
        }
        Some(payload) => match payload.as_bytes() {
            Some(bytes) => Ok(Some(bytes.into_owned())),
            None => Err(format!("a payload is bytes, not {}", payload.kind())),
        },
    }
}

fn fields(datum: &Datum, kind: u8, from: Side) -> Result<Fields<'_>, String> {
    let table = root(kind, from).ok_or_else(|| format!("there is no type {kind}"))?;
    let fields = Fields::new(datum, table, Some("type"))?;
    frame::head(kind, fields.length())?;
    Ok(fields)
}

fn framed(kind: u8, payload: &[u8], out: &mut Payload) -> Result<(), String> {
    out.bytes(&frame::head(kind, payload.len() as u64)?);
    out.bytes(payload);
    Ok(())
}

fn drafted(kind: u8, fields: &Fields, layout: &Layout, out: &mut Payload) -> Result<(), String> {
    let draft = Draft::new(fields, layout)?;
    out.bytes(&frame::head(kind, draft.length())?);
    draft.write(out);
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::messages::schema::METHODS;
    use super::*;
    use crate::codec::Damage;
    use crate::codec::testing::{Decoded, chunk_invariance, decode_all};
    use crate::datum::Generated;
    use crate::datum::notation::parse_datum;
    use crate::strategy::apisix::{any_layout, any_message, near_frames};

    /// Who reads what this side writes.
    fn reader(writer: Side) -> Apisix {
        match writer {
            Side::Gateway => Apisix::runner_side(),
            Side::Runner => Apisix::gateway_side(),
        }
    }

    fn writer(side: Side) -> Apisix {
        match side {
            Side::Gateway => Apisix::gateway_side(),
            Side::Runner => Apisix::runner_side(),
        }
    }

    fn encoded(side: Side, datum: &Datum) -> Result<Vec<u8>, String> {
        let mut out = Payload::default();
        writer(side).encode(Kind::Message, datum, &mut out)?;
        out.to_vec(&|_| None)
    }

    fn encoded_odd(side: Side, datum: &Datum, layout: &Layout) -> Result<Vec<u8>, String> {
        let mut out = Payload::default();
        writer(side).encode_odd(datum, layout, &mut out)?;
        out.to_vec(&|_| None)
    }

    fn decoded(side: Side, bytes: &[u8]) -> Decoded {
        decode_all(&mut reader(side), [bytes])
    }

    fn only(decoded: Decoded) -> Datum {
        assert_eq!(
            (decoded.messages.len(), decoded.malformed.len(), &decoded.end),
            (1, 0, &None),
            "{decoded:?}"
        );
        decoded.messages.into_iter().next().expect("one message").datum
    }

    fn datum(notation: &str) -> Datum {
        parse_datum(notation).expect("notation")
    }

    fn sides() -> impl Strategy<Value = Side> {
        prop_oneof![Just(Side::Gateway), Just(Side::Runner)]
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_decoded((side, datum) in sides().prop_flat_map(|side| (Just(side), any_message(side)))) {
            prop_assert_eq!(only(decoded(side, &encoded(side, &datum).unwrap())), datum);
        }

        #[test]
        fn odd_layouts_say_the_same(
            (side, datum) in sides().prop_flat_map(|side| (Just(side), any_message(side))),
            layout in any_layout(),
        ) {
            match encoded_odd(side, &datum, &layout) {
                Ok(bytes) if layout.shorter == 0 => prop_assert_eq!(only(decoded(side, &bytes)), datum),
                Ok(bytes) => {
                    let full = only(decode_all(&mut reader(side).with_defaults(), [&encoded(side, &datum).unwrap()[..]]));
                    let short = only(decode_all(&mut reader(side).with_defaults(), [&bytes[..]]));
                    prop_assert_eq!(short, full);
                }
                Err(why) => prop_assert!(why.contains("loses") || why.contains("payload"), "{}", why),
            }
        }

        #[test]
        fn damage_is_noticed_and_costs_one_frame(
            (side, datum) in sides().prop_flat_map(|side| (Just(side), any_message(side))),
            damage in prop::sample::select(&Damage::ALL[..]),
        ) {
            // Behind a union of a type that the schema does not have nobody can look: the flatbuffers verifier does not.
            let unknown = |(key, value): &(Datum, Datum)| {
                key.as_text().is_some_and(|key| key == "action" || key == "info")
                    && value.as_map().unwrap_or_default().iter().any(|(kind, _)| kind.as_text().is_none())
            };
            prop_assume!(!datum.as_map().unwrap_or_default().iter().any(unknown));
            let layout = Layout { damage: Some(damage), ..Layout::default() };
            if let Ok(mut bytes) = encoded_odd(side, &datum, &layout) {
                let next = encoded(side, &datum).unwrap();
                bytes.extend(&next);
                let run = decoded(side, &bytes);
                prop_assert_eq!(run.messages.last().map(|message| &message.datum), Some(&datum));
                prop_assert_eq!(run.malformed.len(), usize::from(damage != Damage::Zeroes), "{:?}", damage);
                prop_assert!(run.malformed.iter().all(|malformed| !malformed.fatal));
            }
        }

        #[test]
        fn chunks_do_not_matter(
            (side, bytes) in sides().prop_flat_map(|side| (Just(side), near_frames(side))),
            cuts in prop::collection::vec(any::<Index>(), 0..6),
        ) {
            chunk_invariance(&|| Box::new(reader(side)), &bytes, &cuts)?;
        }

        #[test]
        fn no_bytes_panic(side in sides(), kind in 0..6_u8, bytes in prop::collection::vec(prop_oneof![0..20_u8, any::<u8>()], 0..200)) {
            let mut stream = frame::head(kind, bytes.len() as u64).unwrap().to_vec();
            stream.extend(bytes);
            decoded(side, &stream);
        }
    }

    #[test]
    fn both_ends_understand_each_other() {
        let call = datum(
            r#"{"type": "HTTPReqCall", "id": 7, "src_ip": h'7f000001', "method": "GET", "path": "/",
                "args": [{"name": "z"}], "headers": [{"name": "host", "value": ""}], "token": 3}"#,
        );
        assert_eq!(only(decoded(Side::Gateway, &encoded(Side::Gateway, &call).unwrap())), call);
        let reply = datum(r#"{"type": "HTTPReqCall", "id": 7, "action": {"Rewrite": {"path": "/new"}}}"#);
        assert_eq!(only(decoded(Side::Runner, &encoded(Side::Runner, &reply).unwrap())), reply);
    }

    #[test]
    fn an_absent_scalar_is_absent_or_its_default() {
        let bytes = encoded(Side::Gateway, &datum(r#"{"type": "HTTPReqCall", "path": "/"}"#)).unwrap();
        assert_eq!(only(decoded(Side::Gateway, &bytes)), datum(r#"{"type": "HTTPReqCall", "path": "/"}"#));
        let filled = only(decode_all(&mut Apisix::runner_side().with_defaults(), [&bytes[..]]));
        let expected = r#"{"type": "HTTPReqCall", "id": 0, "method": "GET", "path": "/", "token": 0}"#;
        assert_eq!(filled, datum(expected));
    }

    #[test]
    fn odd_unions_keep_what_is_known() {
        for action in ["null", r#"{"Stop": null}"#, "{3: null}", "{3: {}}", "{0: {}}", r#"{"Rewrite": {}}"#] {
            let reply = datum(&format!(r#"{{"type": "HTTPReqCall", "action": {action}}}"#));
            assert_eq!(only(decoded(Side::Runner, &encoded(Side::Runner, &reply).unwrap())), reply);
        }
    }

    #[test]
    fn a_text_that_is_not_utf_8_is_bytes() {
        let call = datum(r#"{"type": "HTTPReqCall", "headers": [{"name": "x", "value": h'ff41'}]}"#);
        assert_eq!(only(decoded(Side::Gateway, &encoded(Side::Gateway, &call).unwrap())), call);
    }

    #[test]
    fn a_frame_of_an_unknown_type_is_a_message() {
        let odd = datum(r#"{"type": 200, "payload": h'010203'}"#);
        let bytes = encoded(Side::Runner, &odd).unwrap();
        assert_eq!(bytes, [200, 0, 0, 3, 1, 2, 3]);
        assert_eq!(only(decoded(Side::Runner, &bytes)), odd);
        let damaged = datum(r#"{"type": "PrepareConf", "payload": h'ff'}"#);
        assert_eq!(encoded(Side::Gateway, &damaged).unwrap(), [1, 0, 0, 1, 0xff]);
    }

    #[test]
    fn what_cannot_be_written_is_told() {
        let why = |side, notation: &str| encoded(side, &datum(notation)).expect_err("cannot be written");
        assert_eq!(why(Side::Runner, r#"{"id": 1}"#), "a message of this protocol has a `type`");
        assert_eq!(
            why(Side::Runner, r#"{"type": "HTTPReqCall", "actoin": null}"#),
            "HTTPReqCall reply has no field `actoin`, it has id, action"
        );
        assert_eq!(
            why(Side::Runner, r#"{"type": "HTTPReqCall", "action": {"Stop": {"status": 65536}}}"#),
            "action: status: an integer from 0 to 65535, not 65536"
        );
        assert_eq!(
            why(Side::Runner, r#"{"type": "ExtraInfo", "info": {"Vra": {}}}"#),
            "info: there is no variant \"Vra\", there are Var, ReqBody, RespBody (others by number)"
        );
        let long = r#"{"type": "PrepareConf", "key": $gen(text, 1099511627776)}"#;
        assert_eq!(
            why(Side::Gateway, long),
            "a frame holds at most 16777215 bytes, this payload has 1099511627776"
        );
        assert!(why(Side::Gateway, r#"{"type": 7}"#).contains("has a `payload`"));
    }

    #[test]
    fn a_long_value_keeps_its_rule() {
        let answer = Datum::map([
            ("type", Datum::text("ExtraInfo")),
            ("result", Datum::Gen(Generated::Bytes(1_000_001))),
        ]);
        let mut out = Payload::default();
        Apisix::gateway_side().encode(Kind::Message, &answer, &mut out).unwrap();
        assert_eq!(out.pieces().len(), 2);
        let read = only(decoded(Side::Gateway, &out.to_vec(&|_| None).unwrap()));
        assert_eq!(read.get("result").unwrap().as_bytes(), answer.get("result").unwrap().as_bytes());
    }

    #[test]
    fn layouts_that_cannot_be_are_told() {
        let prepare = datum(r#"{"type": "PrepareConf", "key": "k"}"#);
        let why = |layout| encoded_odd(Side::Gateway, &prepare, &layout).expect_err("cannot be written");
        let none = Layout::default();
        assert!(why(Layout { longer: u16::MAX, ..none }).contains("at most 1000 further slots"));
        assert!(why(Layout { trailing: u32::MAX, ..none }).contains("at most"));
        assert!(why(Layout { longer: 1, shorter: 1, ..none }).contains("not both"));
        assert!(why(Layout { shorter: 1, ..none }).contains("loses the field in slot 1"));
        let damage = Some(Damage::VectorLength);
        assert!(why(Layout { damage, ..none }).contains("no place for the damage vector-length"));
        assert!(encoded_odd(Side::Gateway, &prepare, &Layout { longer: 1000, ..none }).is_ok());
    }

    #[test]
    fn every_method_has_its_number() {
        for (number, name) in METHODS.iter().enumerate() {
            let call = Datum::map([("type", "HTTPReqCall".into()), ("method", Datum::text(*name))]);
            let bytes = encoded(Side::Gateway, &call).unwrap();
            assert!(bytes.contains(&(number as u8)));
            assert_eq!(only(decoded(Side::Gateway, &bytes)), call);
        }
    }
}
