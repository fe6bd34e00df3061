//! The folders that cases play in: one each at a time.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Folders of a run that good cases of our references left as they were given them: of another subject something may
/// run on unseen, and find a later case there. To make and remove one for each case takes some file systems longer than
/// the case, the more so the more were removed in the last minutes.
#[derive(Debug, Default)]
pub(super) struct Spare(Mutex<Vec<PathBuf>>);

impl Spare {
    /// An empty folder that nobody else has: a spare one, else a new one at this path.
    ///
    /// # Errors
    /// A new one cannot be made.
    pub(super) fn take(&self, new: &Path) -> Result<PathBuf, String> {
        match self.folders().pop() {
            Some(folder) => Ok(folder),
            None => fs::create_dir_all(new)
                .map(|()| new.to_path_buf())
                .map_err(|error| format!("{}: {error}", new.display())),
        }
    }

    /// Takes back the folder of a case that is over; what is not as it was given, or may not be used again, is removed
    /// with all that is in it.
    pub(super) fn give_back(&self, folder: PathBuf, may_be_used: bool) {
        if may_be_used && is_as_given(&folder) {
            self.folders().push(folder);
        } else {
            let _ = fs::remove_dir_all(folder);
        }
    }

    fn folders(&self) -> MutexGuard<'_, Vec<PathBuf>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a folder is empty and has the mode that the folder around it has, as we make both.
fn is_as_given(folder: &Path) -> bool {
    let mode = |path: &Path| fs::symlink_metadata(path).ok().filter(fs::Metadata::is_dir).map(|it| it.mode());
    let is_empty = fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none());
    is_empty && mode(folder).is_some() && mode(folder) == folder.parent().and_then(mode)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn only_what_was_left_as_it_was_is_given_to_another() {
        let temp = tempfile::tempdir().expect("a folder");
        let (run, spare) = (temp.path().join("run"), Spare::default());
        let given = |name: &str| spare.take(&run.join(name)).expect("a folder");

        let (one, other) = (given("1"), given("2"));
        assert_eq!((&one, &other), (&run.join("1"), &run.join("2")));
        spare.give_back(one.clone(), true);
        assert_eq!(given("3"), one);
        spare.give_back(one.clone(), false);
        assert!(!one.exists());

        fs::write(other.join("file"), "").expect("it is ours");
        spare.give_back(other.clone(), true);
        assert!(!other.exists());

        let closed = given("4");
        assert_eq!(closed, run.join("4"));
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o500)).expect("it is ours");
        spare.give_back(closed.clone(), true);
        assert!(!closed.exists());

        let gone = given("5");
        fs::remove_dir(&gone).expect("it is empty");
        spare.give_back(gone, true);
        assert_eq!(given("6"), run.join("6"));
    }
}
