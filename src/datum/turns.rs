//! Patterns of the turns of a loop: they differ by a few texts, and have everything else in common.

use super::notation::{Arg, Form, Node, SyntaxError, parse};
use super::pattern::{Pattern, Shape};

/// What every turn of a loop says, with places for the loop's variables inside its texts.
#[derive(Debug)]
pub struct Turns {
    node: Node,
    /// The same with its places left open.
    open: Pattern,
}

impl Turns {
    /// Reads what has its places inside of quotes alone. Anything else, and texts in which a place may be an escaped
    /// one, must be read turn by turn.
    pub fn parse(text: &str) -> Option<Self> {
        if text.contains('\\') {
            return None;
        }
        let node = parse(text).ok()?;
        let open = Pattern::compile(&node).ok()?;
        Some(Self { node, open })
    }

    /// What one turn says, `fill` being what it makes of a text.
    ///
    /// # Errors
    /// Every matcher that does not take such a text.
    pub fn turn(&self, fill: &dyn Fn(&str) -> String) -> Result<Pattern, Vec<SyntaxError>> {
        let mut mistakes = Vec::new();
        let pattern = filled(&self.node, &self.open, fill, &mut mistakes);
        if mistakes.is_empty() { Ok(pattern) } else { Err(mistakes) }
    }
}

/// The pattern of a turn; the parts that are the same in every turn are those of `open`.
fn filled(
    node: &Node,
    open: &Pattern,
    fill: &dyn Fn(&str) -> String,
    mistakes: &mut Vec<SyntaxError>,
) -> Pattern {
    if !has_places(node) {
        return open.clone();
    }
    let (Form::Map(nodes, _), Shape::Map { entries, open: is_open, head }) = (&node.form, open.shape())
    else {
        return Pattern::compiled(&written(node, fill), mistakes);
    };
    let named = nodes.iter().filter(|(key, _)| key.form != Form::Rest).zip(entries);
    let mut part = |node, open| filled(node, open, fill, mistakes);
    let entries =
        named.map(|((key, value), (open_key, open_value))| (part(key, open_key), part(value, open_value)));
    let entries = entries.collect();
    Pattern::new(node.span.clone(), Shape::Map { entries, open: *is_open, head: *head })
}

/// Whether a text of it has a place for a variable.
fn has_places(node: &Node) -> bool {
    match &node.form {
        Form::Text(text, _) => text.contains("${"),
        Form::Scalar(_) | Form::Rest => false,
        Form::Chunks(_, items) | Form::Array(items, _) | Form::Embedded(items) => {
            items.iter().any(has_places)
        }
        Form::Map(entries, _) => entries.iter().any(|(key, value)| has_places(key) || has_places(value)),
        Form::Tag(_, _, inner) => has_places(inner),
        Form::Call(_, args) => args.iter().any(|arg| match arg {
            Arg::Value(node) | Arg::Labelled(_, node) => has_places(node),
            Arg::Word(..) | Arg::Bounds(..) => false,
        }),
    }
}

/// The same with its texts filled.
fn written(node: &Node, fill: &dyn Fn(&str) -> String) -> Node {
    let one = |node: &Node| written(node, fill);
    let all = |nodes: &[Node]| nodes.iter().map(one).collect::<Vec<Node>>();
    let form = match &node.form {
        Form::Text(text, head) => Form::Text(fill(text), *head),
        Form::Scalar(_) | Form::Rest => node.form.clone(),
        Form::Chunks(is_text, items) => Form::Chunks(*is_text, all(items)),
        Form::Array(items, head) => Form::Array(all(items), *head),
        Form::Embedded(items) => Form::Embedded(all(items)),
        Form::Map(entries, head) => {
            Form::Map(entries.iter().map(|(key, value)| (one(key), one(value))).collect(), *head)
        }
        Form::Tag(number, head, inner) => Form::Tag(*number, *head, Box::new(one(inner))),
        Form::Call(name, args) => {
            let arg = |arg: &Arg| match arg {
                Arg::Value(node) => Arg::Value(one(node)),
                Arg::Labelled(label, node) => Arg::Labelled(label.clone(), one(node)),
                Arg::Word(..) | Arg::Bounds(..) => arg.clone(),
            };
            Form::Call(name.clone(), args.iter().map(arg).collect())
        }
    };
    Node { span: node.span.clone(), form }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without its spans: those of a turn are those of the text with places.
    fn shown(pattern: &Pattern) -> String {
        let text = format!("{pattern:?}");
        let mut parts = text.split("span: ");
        let first = parts.next().unwrap_or_default().to_owned();
        parts.fold(first, |all, part| all + part.split_once(", ").map_or("", |(_, rest)| rest))
    }

    #[test]
    fn a_turn_is_what_its_text_would_be() {
        for text in [
            r#"{"id": "s${i}", "data": {"text": $starts("${i}:"), "same": [1, $uint], ...}, ...}"#,
            r#"{"${i}": 1, ..., "a${i}": {"b": null}, "rest": "${name}"}"#,
            r#"[$oneof(one: "x${i}", two: {"y": "${i}"}), 5("${i}"), <<"${i}", 2>>, (_ "a", "${i}")]"#,
            r#"$let(name, "v${i}")"#,
        ] {
            let fill = |text: &str| text.replace("${i}", "12");
            let turn = Turns::parse(text).expect("places in quotes").turn(&fill).expect("a pattern");
            let read = Pattern::parse(&fill(text)).expect("a pattern");
            assert_eq!(shown(&turn), shown(&read), "{text}");
        }
    }

    #[test]
    fn places_outside_of_quotes_are_left_to_others() {
        for text in [r#"{"n": ${i}}"#, "h'0${i}'", r#""\${i}""#] {
            assert!(Turns::parse(text).is_none(), "{text}");
        }
    }
}
