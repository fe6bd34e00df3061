//! Files of a case.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::actor::{Blob, Payload, Value};
use crate::secret::Secrets;

/// A path inside the case's folder, or an absolute one.
fn locate(root: &Path, path: &str) -> PathBuf {
    root.join(path)
}

pub(super) fn read(root: &Path, path: &str) -> Value {
    match fs::read(locate(root, path)) {
        Ok(bytes) => Value::File(Blob(bytes)),
        Err(error) => Value::Missing(format!("{path}: {error}")),
    }
}

/// Writes files below a folder; nothing outside of it.
///
/// # Errors
/// A path that leads out, a package that is not known, or what the system says.
pub(super) fn store(
    root: &Path,
    dir: &str,
    files: BTreeMap<String, Option<Payload>>,
    packages: fn(&str) -> Option<Vec<u8>>,
    secrets: &Secrets,
) -> Result<(), String> {
    let base = locate(root, dir);
    for (path, content) in files {
        if Path::new(&path).components().any(|part| !matches!(part, Component::Normal(_))) {
            return Err(format!("{path} leads out of its folder"));
        }
        let target = base.join(&path);
        let write = || -> std::io::Result<()> {
            let Some(content) = &content else { return fs::create_dir_all(&target) };
            fs::create_dir_all(target.parent().unwrap_or(&base))?;
            let mut bytes = content.to_vec(&packages).map_err(std::io::Error::other)?;
            secrets.reveal(&mut bytes);
            fs::write(&target, bytes)
        };
        write().map_err(|error| format!("{}: {error}", target.display()))?;
    }
    Ok(())
}

/// Removes a file or a folder with all that is in it; what is not there is removed already.
pub(super) fn remove(root: &Path, path: &str) {
    let target = locate(root, path);
    let _ = if target.is_dir() { fs::remove_dir_all(&target) } else { fs::remove_file(&target) };
}
