//! Checks of a registration over a debug connection; each connection begins anew.
//!
//! Source: langgenius/dify-plugin-daemon bdb5642, internal/core/debugging_runtime, hooks.go 158-242 and
//! runtime_intialization_handlers.go.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::actor::Nanos;
use crate::datum::{Bindings, Datum, Kind, View};
use crate::protocol::Watch;

/// Most bytes of all assets together (runtime_intialization_handlers.go 44-98).
const ASSETS: usize = 50 << 20;

/// What comes on a connection, as these checks see it.
enum Came<'a> {
    /// The connection.
    Connection,
    /// A message of a registration: its type, and its data.
    Registration(String, &'a Datum),
    /// An event, or what is no message.
    Other,
}

fn came(view: View<'_>) -> Option<Came<'_>> {
    match (view.kind, view.datum) {
        (Kind::Opened, _) => Some(Came::Connection),
        (Kind::Message, Some(message)) => {
            let kind = message.get("type").and_then(Datum::as_text);
            Some(match (kind, message.get("data")) {
                (Some(kind), Some(data)) => Came::Registration(kind.into_owned(), data),
                _ => Came::Other,
            })
        }
        _ => None,
    }
}

/// The first message of a connection is a handshake, and there is no other.
#[derive(Default)]
pub(super) struct Handshake {
    came: bool,
}

impl Watch for Handshake {
    fn see(&mut self, view: View<'_>, _: &Bindings) -> Result<(), String> {
        let is_first = !self.came;
        match came(view) {
            None => Ok(()),
            Some(Came::Connection) => {
                self.came = false;
                Ok(())
            }
            Some(came) => {
                self.came = true;
                match (came, is_first) {
                    (Came::Registration(kind, _), true) if kind == "handshake" => Ok(()),
                    (Came::Registration(kind, _), false) if kind == "handshake" => {
                        Err("a second handshake on one connection".into())
                    }
                    (_, true) => Err("the first message of the connection is no handshake".into()),
                    (_, false) => Ok(()),
                }
            }
        }
    }
}

/// The manifest, then declarations, each kind once and none empty, then one end; events only after it.
#[derive(Default)]
pub(super) struct Registration {
    manifest: bool,
    declared: BTreeSet<String>,
    ended: bool,
}

impl Watch for Registration {
    fn see(&mut self, view: View<'_>, _: &Bindings) -> Result<(), String> {
        match came(view) {
            None => Ok(()),
            Some(Came::Connection) => {
                *self = Self::default();
                Ok(())
            }
            Some(Came::Other) if !self.ended => {
                Err("no message of a registration, and its end has not come".into())
            }
            Some(Came::Other) => Ok(()),
            Some(Came::Registration(kind, _)) if self.ended => {
                Err(format!("{kind} after the end of the registration"))
            }
            Some(Came::Registration(kind, data)) => self.next(&kind, data),
        }
    }
}

impl Registration {
    fn next(&mut self, kind: &str, data: &Datum) -> Result<(), String> {
        match kind {
            "manifest_declaration" if self.manifest => Err("a second manifest_declaration".into()),
            "manifest_declaration" => {
                self.manifest = true;
                match data {
                    Datum::Map(..) => Ok(()),
                    _ => Err("the data of manifest_declaration is no object".into()),
                }
            }
            "end" => {
                self.ended = true;
                match self.declared.is_empty() {
                    true => Err("the end came, and nothing was declared".into()),
                    false => Ok(()),
                }
            }
            kind if kind.ends_with("_declaration") => {
                let is_new = self.declared.insert(kind.to_owned());
                match data {
                    _ if !self.manifest => {
                        Err(format!("{kind} came before the manifest, which takes its place"))
                    }
                    _ if !is_new => Err(format!("a second {kind}")),
                    Datum::Array(items, ..) if !items.is_empty() => Ok(()),
                    _ => Err(format!("the data of {kind} is no array with something in it")),
                }
            }
            _ => Ok(()),
        }
    }
}

/// The chunks of assets: base64, each file in one piece of the stream, not too much, and the manifest's icon among them.
#[derive(Default)]
pub(super) struct Assets {
    icon: Option<String>,
    files: Vec<String>,
    total: usize,
}

impl Watch for Assets {
    fn see(&mut self, view: View<'_>, _: &Bindings) -> Result<(), String> {
        match came(view) {
            Some(Came::Connection) => *self = Self::default(),
            Some(Came::Registration(kind, data)) => match kind.as_str() {
                "manifest_declaration" => {
                    self.icon = data.get("icon").and_then(Datum::as_text).map(|icon| icon.into_owned());
                }
                "asset_chunk" => return self.chunk(data),
                "end" => {
                    let missing = self.icon.as_ref().filter(|icon| !self.files.contains(icon));
                    return missing.map_or(Ok(()), |icon| {
                        Err(format!("the manifest's icon {icon} is not among the assets"))
                    });
                }
                _ => {}
            },
            _ => {}
        }
        Ok(())
    }
}

impl Assets {
    fn chunk(&mut self, data: &Datum) -> Result<(), String> {
        let text = |key: &str| {
            let text = data.get(key).and_then(Datum::as_text);
            text.map(|text| text.into_owned()).ok_or_else(|| format!("`{key}` of an asset_chunk is a text"))
        };
        let (name, content) = (text("filename")?, text("data")?);
        let bytes =
            STANDARD.decode(content.as_bytes()).map_err(|error| format!("{name}: no base64: {error}"))?;
        self.total += bytes.len();
        if self.total > ASSETS {
            return Err(format!("{} bytes of assets", self.total));
        }
        match self.files.iter().position(|known| *known == name) {
            Some(at) if at + 1 < self.files.len() => {
                Err(format!("{name} goes on after {}", self.files[at + 1]))
            }
            Some(_) => Ok(()),
            None => {
                self.files.push(name);
                Ok(())
            }
        }
    }
}

/// Who is refused waits longer before it connects again: of five pauses the last is longer by half than the middle one of
/// the first three.
#[derive(Default)]
pub(super) struct Patience {
    now: Nanos,
    connected: Vec<Nanos>,
}

impl Watch for Patience {
    fn turn_to(&mut self, at: Nanos) {
        self.now = at;
    }

    fn see(&mut self, view: View<'_>, _: &Bindings) -> Result<(), String> {
        if view.kind != Kind::Opened {
            return Ok(());
        }
        self.connected.push(self.now);
        let [first, second, third, fourth, fifth, sixth] = self.connected[..] else { return Ok(()) };
        let mut begun = [second - first, third - second, fourth - third];
        begun.sort_unstable();
        let (usual, last) = (begun[1], sixth - fifth);
        if last >= usual + usual / 2 {
            return Ok(());
        }
        let millis = |time: Nanos| time / 1_000_000;
        Err(format!(
            "refused five times it came again after {} ms, as before after {}",
            millis(last),
            millis(usual)
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::json::parse;

    fn all(watch: &mut dyn Watch, lines: &[&str]) -> Result<(), String> {
        let opened = View { kind: Kind::Opened, datum: None };
        watch.see(opened, &Bindings::default())?;
        lines.iter().try_for_each(|line| {
            let datum = parse(line.as_bytes()).expect("JSON");
            watch.see(View { kind: Kind::Message, datum: Some(&datum) }, &Bindings::default())
        })
    }

    const KEY: &str = r#"{"type":"handshake","data":{"key":"k"}}"#;
    const MANIFEST: &str = r#"{"type":"manifest_declaration","data":{"icon":"i.svg"}}"#;
    const TOOL: &str = r#"{"type":"tool_declaration","data":[{}]}"#;
    const CHUNK: &str = r#"{"type":"asset_chunk","data":{"filename":"i.svg","data":"AAEC","end":true}}"#;
    const OTHER: &str = r#"{"type":"asset_chunk","data":{"filename":"o.txt","data":"AAEC","end":true}}"#;
    const END: &str = r#"{"type":"end","data":{}}"#;
    const ALIVE: &str = r#"{"event":"heartbeat","session_id":null,"data":{}}"#;

    #[test]
    fn each_connection_begins_with_its_handshake() {
        let mut watch = Handshake::default();
        assert_eq!(all(&mut watch, &[KEY, MANIFEST]), Ok(()));
        assert_eq!(all(&mut watch, &[KEY]), Ok(()), "a second connection");
        assert!(all(&mut watch, &[MANIFEST, KEY]).is_err());
        assert!(all(&mut watch, &[KEY, KEY]).is_err());
    }

    #[test]
    fn declarations_stand_between_manifest_and_end() {
        let mut watch = Registration::default();
        assert_eq!(all(&mut watch, &[KEY, MANIFEST, TOOL, CHUNK, END, ALIVE]), Ok(()));
        for wrong in [
            &[KEY, TOOL, MANIFEST, END][..],
            &[KEY, MANIFEST, MANIFEST, TOOL, END],
            &[KEY, MANIFEST, TOOL, TOOL, END],
            &[KEY, MANIFEST, END],
            &[KEY, MANIFEST, TOOL, END, END],
            &[KEY, MANIFEST, ALIVE],
            &[KEY, MANIFEST, r#"{"type":"tool_declaration","data":[]}"#],
        ] {
            assert!(all(&mut watch, wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn who_is_refused_waits_longer() {
        let knocks = |times: &[Nanos]| {
            let mut watch = Patience::default();
            let knock = |at: &Nanos| {
                watch.turn_to(*at);
                watch.see(View { kind: Kind::Opened, datum: None }, &Bindings::default())
            };
            times.iter().try_for_each(knock)
        };
        assert_eq!(knocks(&[0, 1, 3, 7, 15, 31, 63]), Ok(()));
        assert_eq!(knocks(&[0, 5, 10, 15, 20]), Ok(()), "it may have given up");
        assert!(knocks(&[0, 5, 10, 15, 20, 25]).is_err());
        assert!(knocks(&[0, 1, 101, 201, 301, 401]).is_err(), "once it did not wait at all");
        assert_eq!(knocks(&[0, 10, 30, 70, 110, 150]), Ok(()), "it has come to its longest pause");
    }

    #[test]
    fn assets_come_file_by_file_and_hold_the_icon() {
        let mut watch = Assets::default();
        assert_eq!(all(&mut watch, &[MANIFEST, CHUNK, CHUNK, OTHER, END]), Ok(()));
        assert!(all(&mut watch, &[MANIFEST, OTHER, END]).is_err(), "no icon");
        assert!(all(&mut watch, &[MANIFEST, CHUNK, OTHER, CHUNK, END]).is_err(), "interleaved");
        let plain = r#"{"type":"asset_chunk","data":{"filename":"i.svg","data":"<svg>"}}"#;
        assert!(all(&mut watch, &[MANIFEST, plain]).is_err(), "no base64");
        watch.total = ASSETS - 2;
        let datum = parse(CHUNK.as_bytes()).expect("JSON");
        let view = View { kind: Kind::Message, datum: Some(&datum) };
        assert!(watch.see(view, &Bindings::default()).is_err(), "three bytes too many");
    }
}
