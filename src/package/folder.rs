//! A folder as a package: all its files but those that `.difyignore` names.

use std::path::Path;

use super::{Files, pack};

/// Packs a folder.
///
/// # Errors
/// A folder that cannot be read, or that holds no `manifest.yaml`.
pub fn pack_folder(folder: &Path) -> Result<Vec<u8>, String> {
    let ignore = std::fs::read_to_string(folder.join(".difyignore")).unwrap_or_default();
    let ignored: Vec<&str> =
        ignore.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    let mut files = Files::new();
    gather(folder, "", &ignored, &mut files)?;
    if !files.contains_key("manifest.yaml") {
        return Err(format!("{} has no manifest.yaml: it is not the folder of a plugin", folder.display()));
    }
    pack(&files)
}

fn gather(folder: &Path, below: &str, ignored: &[&str], files: &mut Files) -> Result<(), String> {
    let told = |error: std::io::Error| format!("{}: {error}", folder.display());
    for entry in std::fs::read_dir(folder).map_err(told)? {
        let entry = entry.map_err(told)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{below}{name}");
        let kind = entry.file_type().map_err(told)?;
        if name == ".difyignore"
            || ignored.iter().any(|pattern| is_ignored(pattern, &name, &path, kind.is_dir()))
        {
            continue;
        }
        if kind.is_dir() {
            gather(&entry.path(), &format!("{path}/"), ignored, files)?;
        } else if kind.is_file() {
            files.insert(path, std::fs::read(entry.path()).map_err(told)?);
        }
    }
    Ok(())
}

/// Patterns as far as packages need them: a name anywhere, a path from the root, `*.ending`, folders with `/` behind.
fn is_ignored(pattern: &str, name: &str, path: &str, is_folder: bool) -> bool {
    let bare = match pattern.strip_suffix('/') {
        Some(_) if !is_folder => return false,
        Some(bare) => bare,
        None => pattern,
    };
    match bare.strip_prefix('*') {
        Some(ending) => name.ends_with(ending),
        None => bare == name || bare.trim_start_matches('/') == path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_of_the_peer_is_the_good_package() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/peers/dify-python");
        assert!(pack_folder(&folder).unwrap() == crate::package::shelf::package("good").unwrap());
    }

    #[test]
    fn patterns_name_files_and_folders() {
        assert!(is_ignored("build/", "build", "a/build", true));
        assert!(!is_ignored("build/", "build", "build", false));
        assert!(is_ignored("*.pyc", "x.pyc", "a/x.pyc", false));
        assert!(is_ignored("/README.md", "README.md", "README.md", false));
        assert!(!is_ignored("/README.md", "README.md", "a/README.md", false));
    }
}
