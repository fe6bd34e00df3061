//! `--load`: the call that is made again and again, and what is told of it. The calling itself is `shell::load`.

use std::time::Duration;

use super::question::Exchange;
use super::{check_path, pairs};
use crate::actor::Payload;
use crate::codec::{Codec, frame};
use crate::datum::{Datum, Kind};
use crate::mocks::{flag, option};
use crate::protocol::apisix::Apisix;
use crate::shell::load::{self, Extent, Measured};

/// The most calls and connections of a run.
const MOST_CALLS: usize = 10_000_000;
const MOST_CONNECTIONS: usize = 1000;

/// A run of calls.
pub struct Loading {
    /// How many, where to.
    pub extent: Extent,
    /// The command of a runner that is started for it.
    pub runner: Vec<String>,
    plugins: Vec<(String, String)>,
    call: Exchange,
    json: bool,
}

impl Loading {
    /// Reads its arguments.
    ///
    /// # Errors
    /// Arguments that are none.
    pub(crate) fn read(args: &[String]) -> Result<Self, String> {
        let mut args = args.to_vec();
        let runner = match args.iter().position(|arg| arg == "--") {
            Some(at) => args.split_off(at).split_off(1),
            None => Vec::new(),
        };
        let calls = count(&mut args, "--load", MOST_CALLS)?.ok_or("--load wants a number of calls")?;
        let connections = count(&mut args, "--connections", MOST_CONNECTIONS)?.unwrap_or(1);
        let seconds = count(&mut args, "--timeout", 3600)?.unwrap_or(60);
        let socket =
            option(&mut args, "--socket").ok_or("--socket is missing: where does the runner listen?")?;
        check_path(&socket)?;
        let plugins = pairs(&mut args, "--conf", "name=value")?;
        let headers = pairs(&mut args, "--header", "'Name: value'")?;
        let line = option(&mut args, "--request").unwrap_or_else(|| "GET /".into());
        let (method, target) =
            line.split_once(' ').ok_or("--request is a method and a path, as in 'GET /x?y=1'")?;
        let json = flag(&mut args, "--json");
        if let Some(unknown) = args.first() {
            return Err(format!("--load does not go with {unknown}"));
        }
        let headers = headers.into_iter().map(|(name, value)| (name, value.trim().to_owned()));
        let headers = headers.chain([("host".to_owned(), "localhost".to_owned())]).collect();
        let none = std::collections::BTreeMap::new();
        let call = Exchange::new(method, target.trim(), headers, Vec::new(), vec![127, 0, 0, 1], &none);
        let timeout = Duration::from_secs(seconds as u64);
        Ok(Self { extent: Extent { socket, calls, connections, timeout }, runner, plugins, call, json })
    }

    /// What was measured, for people or as JSON.
    pub fn told(&self, measured: &Measured) -> String {
        let connections = self.extent.connections.clamp(1, self.extent.calls.max(1));
        let good = measured.latencies.len();
        let parts = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999), ("max", 1.0)];
        if self.json {
            let latency: serde_json::Map<String, serde_json::Value> =
                parts.iter().map(|(name, part)| ((*name).into(), measured.within(*part).into())).collect();
            let told = serde_json::json!({
                "calls": good,
                "failed": measured.failed,
                "connections": connections,
                "seconds": measured.seconds,
                "calls_per_second": measured.rate(),
                "latency_us": latency,
                "request_bytes": measured.bytes.0,
                "reply_bytes": measured.bytes.1,
            });
            return format!("{told}\n");
        }
        let latency: Vec<String> =
            parts.iter().map(|(name, part)| format!("{name} {:.1}", measured.within(*part))).collect();
        format!(
            "{good} calls over {connections} connections in {:.3} s: {:.0} calls per second\n\
             latency in microseconds: {}\n{} bytes a call, {} bytes a reply\n",
            measured.seconds,
            measured.rate(),
            latency.join(", "),
            measured.bytes.0,
            measured.bytes.1,
        )
    }
}

impl load::Exchange for Loading {
    fn first(&self) -> Vec<u8> {
        let entry = |(name, value): &(String, String)| {
            Datum::map([("name", Datum::text(name)), ("value", Datum::text(value))])
        };
        encoded(&Datum::map([
            ("type", Datum::text("PrepareConf")),
            ("conf", Datum::array(self.plugins.iter().map(entry))),
            ("key", Datum::text("plugfest-load")),
        ]))
    }

    fn request(&self, first_reply: &[u8]) -> Result<Vec<u8>, String> {
        let reply = decoded(first_reply)?;
        if reply.get("type") != Some(&Datum::text("PrepareConf")) {
            return Err(format!("PrepareConf was answered with {reply}"));
        }
        let token = reply.get("token").cloned().unwrap_or(Datum::from(0_u64));
        Ok(encoded(&self.call.message(1, token, "")))
    }

    fn length(&self, begin: &[u8]) -> Option<usize> {
        let [_, high, middle, low] = *begin.first_chunk::<{ frame::HEAD }>()?;
        Some(frame::HEAD + u32::from_be_bytes([0, high, middle, low]) as usize)
    }

    fn judge(&self, reply: &[u8]) -> Result<(), String> {
        let reply = decoded(reply)?;
        let kind = reply.get("type").and_then(Datum::as_text).unwrap_or_default();
        match &*kind {
            "HTTPReqCall" => Ok(()),
            "ExtraInfo" => Err(format!("the runner asks, and --load does not answer: {reply}")),
            _ => Err(format!("a call was answered with {reply}")),
        }
    }
}

fn count(args: &mut Vec<String>, name: &str, most: usize) -> Result<Option<usize>, String> {
    let Some(text) = option(args, name) else { return Ok(None) };
    match text.parse::<usize>() {
        Ok(number) if (1..=most).contains(&number) => Ok(Some(number)),
        _ => Err(format!("{name} is a number from 1 to {most}, not {text:?}")),
    }
}

fn encoded(message: &Datum) -> Vec<u8> {
    let mut bytes = Payload::default();
    let written = Apisix::gateway_side().encode(Kind::Message, message, &mut bytes);
    written.ok().and_then(|()| bytes.to_vec(&|_| None).ok()).unwrap_or_default()
}

fn decoded(bytes: &[u8]) -> Result<Datum, String> {
    let mut codec = Apisix::gateway_side().with_defaults();
    codec.feed(bytes);
    match codec.next() {
        Some(Ok(message)) => Ok(message.datum),
        Some(Err(malformed)) => Err(malformed.reason),
        None => Err("no whole frame".into()),
    }
}
