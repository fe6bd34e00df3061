//! What people read when a scenario file is wrong: one broken file, one snapshot.

use std::path::{Path, PathBuf};

use plugfest::corpus::{Corpus, unbound};
use plugfest::scenario::error::FileErrors;

/// Reads a scenario as one of the Arcaflow suite and binds it; what is wrong with it, as compilers show it.
fn errors(path: &Path) -> String {
    let name = path.file_name().expect("a name").to_string_lossy().into_owned();
    let folder = tempfile::tempdir().expect("a folder");
    let copy = folder.path().join("arcaflow/broken").join(&name);
    std::fs::create_dir_all(copy.parent().expect("a parent")).expect("folders");
    std::fs::copy(path, &copy).expect("a copy");
    let mut corpus = Corpus::embedded();
    corpus.add(folder.path()).expect("a folder of scenarios");
    let found = match corpus.suite("arcaflow") {
        Err(errors) => errors,
        Ok(suite) => unbound(&suite),
    };
    let told: Vec<String> = found
        .into_iter()
        .map(|error| FileErrors { file: error.file.replace(&copy.display().to_string(), &name), ..error })
        .map(|error| error.render(false))
        .collect();
    assert_eq!(told.len(), 1, "{name}: {told:?}");
    told.into_iter().collect()
}

/// Where the snapshots are.
fn settings() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(concat!(env!("CARGO_MANIFEST_DIR"), "/reports/snapshots/errors"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings
}

#[test]
fn every_mistake_is_explained() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/broken");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).expect("files").flatten().map(|entry| entry.path()).collect();
    files.sort();
    settings().bind(|| {
        for file in files {
            let name = file.file_stem().expect("a name").to_string_lossy().into_owned();
            insta::assert_snapshot!(name, errors(&file));
        }
    });
}

/// Reads a suite of a user: the sound one, with the files of this folder over it; what is wrong with it.
fn errors_of_suite(overlay: &Path) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a folder");
    let suite = folder.path().join("mine");
    copy_all(&overlay.with_file_name("sound"), &suite);
    copy_all(overlay, &suite);
    let mut corpus = Corpus::embedded();
    corpus.add(folder.path()).expect("a folder of suites");
    let found = corpus.suite("mine").map_or_else(|errors| errors, |suite| unbound(&suite));
    let name = |file: &str| file.replace(&format!("{}/", folder.path().display()), "");
    found
        .into_iter()
        .map(|error| FileErrors { file: name(&error.file), ..error })
        .map(|error| error.render(false))
        .collect()
}

fn copy_all(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("files").flatten() {
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            copy_all(&source, &target);
        } else {
            std::fs::copy(source, target).expect("a copy");
        }
    }
}

#[test]
fn a_mistake_of_a_suite_is_told_of_its_own_file() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/broken-suites");
    assert_eq!(errors_of_suite(&folder.join("sound")), Vec::<String>::new());
    settings().bind(|| {
        for name in ["unknown-codec", "requirement-of-a-lane", "step-of-an-opening", "idle-rule"] {
            let told = errors_of_suite(&folder.join(name));
            assert_eq!(told.len(), 1, "{name}: {told:?}");
            insta::assert_snapshot!(format!("suite-{name}"), told[0]);
        }
    });
}
