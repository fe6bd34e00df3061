//! What a call says of the request, and the answers to the runner's questions about it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::datum::Datum;
use crate::mocks::percent;
use crate::protocol::apisix::meaning::Request;

/// A request as the runner is told of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Exchange {
    /// Method, path, arguments and headers.
    pub request: Request,
    /// The client's address, 4 or 16 bytes.
    pub address: Vec<u8>,
    /// The target as the client wrote it.
    pub target: String,
    /// The arguments in the order of the query.
    pub args: Vec<(String, Option<String>)>,
    /// The body; the call does not say it.
    pub body: Arc<Vec<u8>>,
    /// Variables that win over those of the request.
    pub vars: BTreeMap<String, String>,
}

impl Exchange {
    /// The request that a target, headers and a body make.
    pub fn new(
        method: &str,
        target: &str,
        headers: Vec<(String, String)>,
        body: Vec<u8>,
        address: Vec<u8>,
        vars: &BTreeMap<String, String>,
    ) -> Self {
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, query),
            None => (target, ""),
        };
        let args: Vec<(String, Option<String>)> = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| match pair.split_once('=') {
                Some((name, value)) => (percent::decoded(name, true), Some(percent::decoded(value, true))),
                None => (percent::decoded(pair, true), None),
            })
            .collect();
        let mut request =
            Request { method: method.into(), path: percent::decoded(path, false), ..Request::default() };
        for (name, value) in headers {
            request.headers.entry(name.to_ascii_lowercase()).or_default().push(value);
        }
        for (name, value) in &args {
            request.args.entry(name.clone()).or_default().push(value.clone());
        }
        let (body, vars) = (Arc::new(body), vars.clone());
        Self { request, address, target: target.into(), args, body, vars }
    }

    /// The message of the call (`init.lua` lines 493-560).
    pub fn message(&self, id: u64, token: Datum, mutant: &str) -> Datum {
        let header = |(name, values): (&String, &Vec<String>)| -> Vec<Datum> {
            if mutant == "repeated-headers-are-joined" {
                return vec![entry(name, Some(&values.join(", ")))];
            }
            let values = match mutant {
                "first-of-repeated-headers" => &values[..1],
                "host-is-not-said" if name == "host" => &[],
                _ => &values[..],
            };
            values.iter().map(|value| entry(name, Some(value))).collect()
        };
        let headers: Vec<Datum> = self.request.headers.iter().flat_map(header).collect();
        let args = self.args.iter().map(|(name, value)| match (mutant, value) {
            ("valueless-is-empty", None) => entry(name, Some("")),
            ("empty-is-valueless", Some(value)) if value.is_empty() => entry(name, None),
            (_, value) => entry(name, value.as_deref()),
        });
        let twice = percent::decoded(&self.request.path, false);
        let path = match mutant {
            "path-is-decoded-twice" => &twice,
            "path-is-not-decoded" => self.target.split('?').next().unwrap_or_default(),
            "path-has-the-query" => &self.target,
            _ => &self.request.path,
        };
        let method = match (mutant, self.request.method.as_str()) {
            ("every-method-is-get", _) => "GET",
            ("patch-is-trace", "PATCH") => "TRACE",
            (_, method) => method,
        };
        let mut fields = vec![
            ("type", Datum::text("HTTPReqCall")),
            ("id", Datum::from(id)),
            ("src_ip", Datum::bytes(self.address.clone())),
            ("method", Datum::text(method)),
            ("path", Datum::text(path)),
            ("args", Datum::array(args)),
            ("headers", Datum::array(headers)),
            ("token", token),
        ];
        if mutant == "address-is-missing" {
            fields.retain(|(name, _)| *name != "src_ip");
        }
        Datum::map(fields)
    }

    fn var(&self, name: &str) -> Option<String> {
        let header = |name: &str| self.request.headers.get(name).and_then(|values| values.first().cloned());
        if let Some(value) = self.vars.get(name) {
            return Some(value.clone());
        }
        if let Some(arg) = name.strip_prefix("arg_") {
            return self.request.args.get(arg)?.first()?.clone();
        }
        if let Some(header_name) = name.strip_prefix("http_") {
            return header(&header_name.replace('_', "-"));
        }
        match name {
            "remote_addr" => Some(address_text(&self.address)),
            "request_method" => Some(self.request.method.clone()),
            "uri" => Some(self.request.path.clone()),
            "request_uri" => Some(self.target.clone()),
            "args" | "query_string" => self.target.split_once('?').map(|(_, query)| query.to_owned()),
            "host" => header("host").map(|host| host.split(':').next().unwrap_or_default().to_owned()),
            "scheme" => Some("http".into()),
            _ => None,
        }
    }
}

/// The answer to a question: bytes, or that there is none (`init.lua` lines 285-354).
///
/// # Errors
/// Why nobody can answer it.
pub(super) fn answer(
    info: Option<&Datum>,
    exchange: &Exchange,
    mutant: &str,
) -> Result<Option<Vec<u8>>, String> {
    let question = info.and_then(Datum::as_map).and_then(<[_]>::first);
    let kind = question.and_then(|(kind, _)| kind.as_text());
    match (kind.as_deref(), question) {
        (Some("Var"), Some((_, table))) => {
            let name = table.get("name").and_then(Datum::as_text).ok_or("a variable without a name")?;
            let value = exchange.var(&name).map(String::into_bytes);
            Ok(match mutant {
                "absent-is-empty" => Some(value.unwrap_or_default()),
                "empty-is-absent" => value.filter(|value| !value.is_empty()),
                _ => value,
            })
        }
        (Some("ReqBody"), _) if mutant == "body-is-not-told" => Ok(None),
        (Some("ReqBody"), _) => Ok(Some(exchange.body.to_vec()).filter(|body| !body.is_empty())),
        // There is no response yet.
        (Some("RespBody"), _) => Ok(None),
        _ if mutant == "unknown-question-is-answered" => Ok(None),
        (_, Some((kind, _))) => Err(format!("unsupported info type: {kind}")),
        (_, None) => Err("unsupported info type: 0".into()),
    }
}

fn entry(name: &str, value: Option<&str>) -> Datum {
    let value = value.map(|value| ("value", Datum::text(value)));
    Datum::map([("name", Datum::text(name))].into_iter().chain(value))
}

fn address_text(address: &[u8]) -> String {
    match (<[u8; 4]>::try_from(address), <[u8; 16]>::try_from(address)) {
        (Ok(four), _) => core::net::Ipv4Addr::from(four).to_string(),
        (_, Ok(sixteen)) => core::net::Ipv6Addr::from(sixteen).to_string(),
        _ => String::new(),
    }
}
