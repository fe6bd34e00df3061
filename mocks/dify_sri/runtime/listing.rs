//! Which instances are told of.

use super::Runtime;
use crate::actor::Payload;
use crate::datum::Datum;
use crate::mocks::dify_sri::launch::is_filename;
use crate::mocks::dify_sri::web::{answer, json, refusal};
use crate::mocks::encoded::json_bytes;

impl Runtime {
    pub(super) fn instances(&self, filename: Option<&str>) -> Payload {
        let Some(filename) = filename.filter(|name| !name.is_empty() || self.is("lists-everything")) else {
            if self.is("lists-everything") {
                return self.list(self.instances.iter().collect());
            }
            return refusal(400, "`filename` is missing");
        };
        if self.is("bad-filename-is-500") && !is_filename(filename) {
            return refusal(500, "the name cannot be read");
        }
        if !is_filename(filename) && !filename.is_empty() {
            return refusal(400, "`filename` is not vendor@name@version@hash.difypkg");
        }
        let versions = filename.split('@').nth(2).map_or(0, |version| version.split('.').count());
        if self.is("version-of-three-wanted") && versions != 3 {
            return refusal(400, "the version is not three numbers");
        }
        let fits = |known: &str| match self.mutant.as_str() {
            "hash-not-compared" => known.split('@').next() == filename.split('@').next(),
            "last-digit-not-compared" => {
                let most = |name: &str| name.len().saturating_sub("0.difypkg".len());
                known[..most(known)] == filename[..most(filename)]
            }
            "vendor-not-compared" => without(known, 0) == without(filename, 0),
            "name-not-compared" => without(known, 1) == without(filename, 1),
            "version-not-compared" => without(known, 2) == without(filename, 2),
            "lists-everything" => filename.is_empty() || known == filename,
            "never-lists" => false,
            _ => known == filename,
        };
        self.list(self.instances.iter().filter(|(known, _)| fits(known)).collect())
    }

    fn list(&self, instances: Vec<(&String, &(String, String))>) -> Payload {
        let item = |(filename, (name, endpoint)): (&String, &(String, String))| {
            let endpoint =
                if self.is("lists-other-endpoint") { "http://127.0.0.1:1/x" } else { endpoint.as_str() };
            let mut item = vec![
                ("ID", Datum::text(name)),
                ("Name", Datum::text(name)),
                ("Endpoint", Datum::text(endpoint)),
                ("ResourceName", Datum::text(filename.as_str())),
            ];
            if self.is("item-without-resource-name") {
                item.pop();
            }
            if self.is("id-is-a-number") {
                item[0].1 = Datum::from(1_i64);
            }
            if self.is("status-is-text") {
                item.push(("Status", Datum::text("running")));
            }
            Datum::map(item)
        };
        let items = Datum::array(instances.into_iter().map(item));
        let value = Datum::map([(if self.is("items-in-capitals") { "Items" } else { "items" }, items)]);
        match self.mutant.as_str() {
            "instances-are-text" => answer(200, "text/plain", json_bytes(&value)),
            "no-instances-is-404" => refusal(404, "there is none"),
            _ => json(200, &value),
        }
    }
}

/// A mutant: a filename without one of its parts.
fn without(filename: &str, part: usize) -> Vec<&str> {
    filename.split('@').enumerate().filter(|(n, _)| *n != part).map(|(_, text)| text).collect()
}
