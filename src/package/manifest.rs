//! `manifest.yaml`, as far as a launcher reads it.

use super::Files;
use crate::codec::yaml;
use crate::datum::Datum;

/// What a launcher needs to know of a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Who wrote it.
    pub author: String,
    /// Its name.
    pub name: String,
    /// Its version, numbers between dots.
    pub version: String,
    /// How it runs.
    pub runner: Runner,
}

/// `meta.runner`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Runner {
    /// The language; only `python` is launched.
    pub language: String,
    /// The module that is run.
    pub entrypoint: String,
}

impl Manifest {
    /// Reads the manifest of a package.
    ///
    /// # Errors
    /// That it is missing, is no YAML, or which field is missing or ill-formed.
    pub fn read(files: &Files) -> Result<Self, String> {
        let bytes = files.get("manifest.yaml").ok_or("manifest.yaml is missing")?;
        let text = std::str::from_utf8(bytes).map_err(|_| "manifest.yaml is not UTF-8")?;
        let manifest = yaml::parse(text).map_err(|why| format!("manifest.yaml: {why}"))?;
        let version = field(&manifest, &["version"])?;
        if version.split('.').any(|part| part.is_empty() || !part.bytes().all(|byte| byte.is_ascii_digit())) {
            return Err(format!("manifest.yaml: version `{version}` is not numbers between dots"));
        }
        if field(&manifest, &["type"])? != "plugin" {
            return Err("manifest.yaml: type is not `plugin`".into());
        }
        let runner = Runner {
            language: field(&manifest, &["meta", "runner", "language"])?,
            entrypoint: field(&manifest, &["meta", "runner", "entrypoint"])?,
        };
        if runner.language != "python" {
            return Err(format!("manifest.yaml: unsupported language `{}`", runner.language));
        }
        for list in ["tools", "models", "endpoints", "agent_strategies", "datasources", "triggers"] {
            let named =
                manifest.get("plugins").and_then(|plugins| plugins.get(list)).and_then(Datum::as_array);
            for path in named.into_iter().flatten().filter_map(Datum::as_text) {
                if !files.contains_key(path.as_ref()) {
                    return Err(format!("manifest.yaml names {path}, which is not in the package"));
                }
            }
        }
        Ok(Self {
            author: field(&manifest, &["author"])?,
            name: field(&manifest, &["name"])?,
            version,
            runner,
        })
    }
}

fn field(manifest: &Datum, path: &[&str]) -> Result<String, String> {
    let found = path.iter().try_fold(manifest, |value, key| value.get(key));
    let text = found.and_then(Datum::as_text).filter(|text| !text.is_empty());
    text.map(|text| text.into_owned()).ok_or_else(|| format!("manifest.yaml: {} is missing", path.join(".")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::{Archive, shelf};

    fn read(name: &str) -> Result<Manifest, String> {
        let bytes = shelf::package(name).expect("it is on the shelf");
        Manifest::read(&Archive::open(&bytes).unwrap().files().unwrap())
    }

    #[test]
    fn the_good_one_is_read() {
        let manifest = read("good").unwrap();
        assert_eq!((manifest.author.as_str(), manifest.name.as_str()), ("plugfest", "conformance"));
        assert_eq!(manifest.runner.entrypoint, "main");
    }

    #[test]
    fn the_others_are_refused() {
        assert!(read("no-manifest").unwrap_err().contains("manifest.yaml is missing"));
        assert!(read("broken-manifest").unwrap_err().contains("version is missing"));
        assert!(read("unreadable-manifest").unwrap_err().starts_with("manifest.yaml: "));
    }
}
