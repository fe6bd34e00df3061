//! A call by hand: one request, and what people want to see of it.

use super::UNREACHED;
use super::caller::Failed;
use super::front::{head_of, target_of};
use super::question::Exchange;
use crate::actor::Payload;
use crate::codec::http1::{head_bytes, request_bytes, response_bytes};
use crate::datum::Datum;
use crate::protocol::apisix::meaning::{Outcome, Request, Response};

/// What a call was, in lines, and the exit status.
pub(super) fn told(
    trace: &[String],
    exchange: &Exchange,
    result: &Result<Outcome, Failed>,
) -> (String, Result<i32, (i32, String)>) {
    let mut text: String = trace.iter().map(|line| format!("{line}\n")).collect();
    let failed = |why: &str| format!("the call failed: {why}; the client gets status 503");
    match result {
        Ok(Outcome::Forward(request)) => {
            text += "\nThis goes to the upstream:\n";
            text += &request_text(exchange, request);
            if !request.response_headers.is_empty() {
                text += "\nThese headers are set in its response:\n";
                for (name, values) in &request.response_headers {
                    values.iter().for_each(|value| text += &format!("{name}: {value}\n"));
                }
            }
            (text, Ok(0))
        }
        Ok(Outcome::Answer(response)) => {
            text += "\nThe request ends here; the client gets:\n";
            text += &response_text(response);
            (text, Ok(0))
        }
        Ok(Outcome::Failure(why)) => (text, Err((1, failed(why)))),
        Err(Failed { why, unreached: true }) => (text, Err((UNREACHED, why.clone()))),
        Err(Failed { why, .. }) => (text, Err((1, failed(why)))),
    }
}

fn request_text(exchange: &Exchange, request: &Request) -> String {
    let head = head_of(request, &target_of(exchange, request));
    let body = request.body.clone().unwrap_or_else(|| exchange.body.to_vec());
    let body = (!body.is_empty()).then(|| Payload::from(body));
    shown(request_bytes(&head, "", body, &|_| None))
}

fn response_text(response: &Response) -> String {
    let headers = response.headers.iter().map(|(name, values)| {
        let values = values.iter().map(Datum::text);
        (name.clone(), Datum::array(values))
    });
    let head =
        Datum::map([("status", Datum::from(i64::from(response.status))), ("headers", Datum::map(headers))]);
    match &response.body {
        Some(body) => shown(response_bytes(&head, Some(Payload::from(body.clone())), &|_| None)),
        None => shown(head_bytes(&head).map(Payload::from)),
    }
}

fn shown(bytes: Result<Payload, String>) -> String {
    match bytes.and_then(|bytes| bytes.to_vec(&|_| None)) {
        Ok(bytes) => {
            let text = String::from_utf8_lossy(&bytes).replace('\r', "");
            format!("{}\n", text.trim_end())
        }
        Err(why) => format!("{why}\n"),
    }
}
