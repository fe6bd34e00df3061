//! How both references read bodies, and what all references that speak HTTP share.

use crate::codec::http1::{Asked, Choose, Format};
use crate::datum::Datum;
pub(super) use crate::mocks::web::{Requests, answer, header, json, query, refusal, stream_head, text};

/// Bodies of an SRI by their paths, as a client or a server reads them.
pub(super) fn formats() -> Choose {
    Box::new(|asked: &Asked, head: &Datum| {
        let path = asked.path.split('?').next().unwrap_or_default();
        let status = head.get("status").and_then(Datum::as_int);
        match (path, status) {
            (path, None) if path.ends_with("/v1/launch") => Format::Multipart,
            (path, None) if path.ends_with("/invoke") => Format::Json,
            _ => Format::Bytes,
        }
    })
}
