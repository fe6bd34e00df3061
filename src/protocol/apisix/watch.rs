//! Stateful checks of rules.

use std::collections::BTreeMap;

use super::meaning::{Request, Response, called, difference, difference_of_responses, listed};
use crate::datum::{Bindings, Datum, Kind, View};
use crate::protocol::Watch;

/// The reply to a call does what the expected reply would do, however it says so.
///
/// What the call told is bound: of a request its `method`, `path`, `args` and `headers`, of a response its `status` and
/// `headers`. The expected reply is bound as `reply`; those of several calls, by their ids, as `replies`.
pub(super) struct Meaning;

impl Watch for Meaning {
    fn see(&mut self, view: View<'_>, bindings: &Bindings) -> Result<(), String> {
        let (Kind::Message, Some(reply)) = (view.kind, view.datum) else { return Ok(()) };
        let Some(expected) = expected(reply, bindings)? else { return Ok(()) };
        let told = match reply.get("type").and_then(Datum::as_text).as_deref() {
            Some("HTTPReqCall") => {
                let request = Request::new(&bound(["method", "path", "args", "headers"], bindings)?);
                difference(&called(&request, expected), &called(&request, reply))
            }
            Some("HTTPRespCall") => {
                let response = Response::new(&bound(["status", "headers"], bindings)?);
                difference_of_responses(&response, expected, reply)
            }
            _ => None,
        };
        told.map_or(Ok(()), Err)
    }
}

/// What a reply should do, if anything is expected of it.
fn expected<'a>(reply: &Datum, bindings: &'a Bindings) -> Result<Option<&'a Datum>, String> {
    if !["HTTPReqCall", "HTTPRespCall"].iter().any(|kind| is_of_type(reply, kind)) {
        return Ok(None);
    }
    // A deadline has that name too.
    let single = bindings.get("reply").filter(|reply| reply.as_map().is_some());
    let id = reply.get("id").and_then(Datum::as_int).unwrap_or_default();
    match (single, bindings.get("replies").and_then(Datum::as_map)) {
        (Some(reply), _) => Ok(Some(reply)),
        (None, Some(replies)) => {
            Ok(replies.iter().find(|(key, _)| key.as_int() == Some(id)).map(|(_, reply)| reply))
        }
        (None, None) => Err(unbound("reply")),
    }
}

/// What is bound by these names.
fn bound<const N: usize>(names: [&str; N], bindings: &Bindings) -> Result<Datum, String> {
    let mut values = Vec::with_capacity(N);
    for name in names {
        values.push((name.to_owned(), bindings.get(name).ok_or_else(|| unbound(name))?.clone()));
    }
    Ok(Datum::map(values))
}

/// The mistake of a scenario, and none of the subject.
fn unbound(name: &str) -> String {
    format!("the scenario is wrong, not the subject: `check = \"meaning\"` wants `{name}` bound")
}

/// A call says the headers that are bound as `said`, wherever they stand among its others: of each name these values and
/// no more, in this order. A name without a value is there, whatever its value.
pub(super) struct Says;

impl Watch for Says {
    fn see(&mut self, view: View<'_>, bindings: &Bindings) -> Result<(), String> {
        let (Kind::Message, Some(call)) = (view.kind, view.datum) else { return Ok(()) };
        let Some(said) = bindings.get("said").filter(|_| is_of_type(call, "HTTPReqCall")) else {
            return Ok(());
        };
        let wanted = Request::new(&Datum::map([("headers", said.clone())])).headers;
        let is_open = |name: &str| {
            let entries = said.as_array().unwrap_or_default();
            entries
                .iter()
                .any(|entry| entry.get("value").is_none() && entry.get("name") == Some(&Datum::text(name)))
        };
        let headers = Request::new(call).headers;
        for (name, values) in wanted {
            match headers.get(&name) {
                Some(_) if is_open(&name) => {}
                Some(got) if *got == values => {}
                got => {
                    let got = listed(got.map(Vec::as_slice).unwrap_or_default());
                    let values = if is_open(&name) { "there".into() } else { listed(&values) };
                    return Err(format!("header {name} is {got}, should be {values}"));
                }
            }
        }
        Ok(())
    }
}

/// The gateway prepares no configuration again that it has prepared. Where a runner that forgot it is played, or one
/// that failed, the scenario switches the rule off.
#[derive(Default)]
pub(super) struct PreparedAgain {
    prepared: Vec<Datum>,
}

impl Watch for PreparedAgain {
    fn see(&mut self, view: View<'_>, _: &Bindings) -> Result<(), String> {
        let (Kind::Message, Some(prepare)) = (view.kind, view.datum) else { return Ok(()) };
        if !is_of_type(prepare, "PrepareConf") {
            return Ok(());
        }
        let conf = prepare.get("conf").cloned().unwrap_or(Datum::Null);
        if self.prepared.contains(&conf) {
            return Err("this configuration was prepared before, and has not changed".into());
        }
        self.prepared.push(conf);
        Ok(())
    }

    fn speaks(&self) -> bool {
        true
    }
}

fn is_of_type(message: &Datum, kind: &str) -> bool {
    message.get("type") == Some(&Datum::text(kind))
}

/// No reply to PrepareConf comes a second time: none bears the token of the one before it on its lane.
#[derive(Default)]
pub(super) struct PreparedOnce {
    last: BTreeMap<usize, Datum>,
}

impl Watch for PreparedOnce {
    fn see(&mut self, view: View<'_>, bindings: &Bindings) -> Result<(), String> {
        self.see_on(0, view, bindings)
    }

    fn see_on(&mut self, lane: usize, view: View<'_>, _: &Bindings) -> Result<(), String> {
        let reply = view.datum.filter(|datum| is_of_type(datum, "PrepareConf"));
        let Some(token) = reply.filter(|_| view.kind == Kind::Message).and_then(|reply| reply.get("token"))
        else {
            return Ok(());
        };
        match self.last.insert(lane, token.clone()) {
            Some(last) if last == *token => Err("this reply came before".into()),
            _ => Ok(()),
        }
    }

    fn speaks(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::Corpus;
    use crate::datum::notation::parse_datum;

    fn seen(watch: &mut impl Watch, bound: &[(&str, &str)], message: &str) -> Result<(), String> {
        let mut bindings = Bindings::default();
        for (name, value) in bound {
            bindings.set(*name, parse_datum(value).expect("notation"));
        }
        let message = parse_datum(message).expect("notation");
        watch.see(View { kind: Kind::Message, datum: Some(&message) }, &bindings)
    }

    #[test]
    fn every_scenario_binds_what_meaning_compares() {
        let corpus = Corpus::embedded();
        let files =
            corpus.files().filter(|(path, text)| path.contains("apisix/") && text.contains("\"meaning\""));
        let mut count = 0;
        for (path, text) in files.filter(|(path, _)| path.matches('/').count() > 1 && path.ends_with(".toml"))
        {
            let table: toml::Table = text.parse().unwrap_or_else(|why| panic!("{path}: {why}"));
            let rows = table["vary"].as_table().unwrap_or_else(|| panic!("{path} has no rows"));
            for (row, names) in rows {
                let has = |name: &str| names.get(name).is_some();
                let is_request = ["method", "path", "args", "headers"].iter().all(|name| has(name));
                let is_response = has("status") && has("headers");
                let is_whole = (has("reply") || has("replies")) && (is_request || is_response);
                assert!(is_whole, "{path}: row {row} does not bind all that `meaning` compares");
                count += 1;
            }
        }
        assert!(count > 30, "{count} rows");
    }

    #[test]
    fn what_is_not_bound_is_told() {
        let reply = r#"{"type": "HTTPReqCall", "id": 1}"#;
        let told = seen(&mut Meaning, &[("reply", "{}"), ("method", "\"GET\"")], reply);
        let why = "the scenario is wrong, not the subject: `check = \"meaning\"` wants `path` bound";
        assert_eq!(told, Err(why.to_owned()));
    }

    #[test]
    fn replies_are_compared_by_their_ids() {
        let bound = [
            ("method", "\"GET\""),
            ("path", "\"/\""),
            ("args", "[]"),
            ("headers", "[]"),
            ("replies", r#"{1: {"action": {"Stop": {"status": 403}}}, 2: {}}"#),
        ];
        let stop = |id: u8| {
            format!(r#"{{"type": "HTTPReqCall", "id": {id}, "action": {{"Stop": {{"status": 403}}}}}}"#)
        };
        assert_eq!(seen(&mut Meaning, &bound, &stop(1)), Ok(()));
        let told = seen(&mut Meaning, &bound, &stop(2)).expect_err("a stop in place of nothing");
        let why =
            "the reply means that the request ends with status 403, should mean that it goes on to \"/\"";
        assert_eq!(told, why);
        assert_eq!(seen(&mut Meaning, &bound, &stop(3)), Ok(()));
    }

    #[test]
    fn headers_may_stand_anywhere() {
        let said =
            ("said", r#"[{"name": "x-a", "value": "1"}, {"name": "x-a", "value": "2"}, {"name": "host"}]"#);
        let call = |headers: &str| format!(r#"{{"type": "HTTPReqCall", "headers": [{headers}]}}"#);
        let first = r#"{"name": "x-b", "value": "0"}, {"name": "x-a", "value": "1"}"#;
        let rest = r#"{"name": "host", "value": "h"}, {"name": "x-a", "value": "2"}"#;
        assert_eq!(seen(&mut Says, &[said], &call(&format!("{first}, {rest}"))), Ok(()));
        let told = seen(&mut Says, &[said], &call(first));
        assert_eq!(told, Err("header host is not there, should be there".to_owned()));
        let told = seen(&mut Says, &[said], &call(r#"{"name": "x-a", "value": "1, 2"}, {"name": "host"}"#));
        assert_eq!(told, Err("header x-a is \"1, 2\", should be \"1\" and \"2\"".to_owned()));
    }
}
