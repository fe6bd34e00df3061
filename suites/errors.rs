//! What people read when a scenario file is wrong: one broken file, one snapshot.

use std::path::{Path, PathBuf};

use plugfest::corpus::Corpus;
use plugfest::play::{Knobs, Script};
use plugfest::scenario::error::FileErrors;
use plugfest::scenario::scenario;
use plugfest::subject::Subject;

/// Reads a scenario and binds it in the Arcaflow suite; what is wrong with it, as compilers show it.
fn errors(path: &Path) -> String {
    let name = path.file_stem().expect("a name").to_string_lossy();
    let text = std::fs::read_to_string(path).expect("the file");
    let file = format!("{name}.toml");
    let scenario = match scenario("arcaflow", &name, &file, &text) {
        Ok(scenario) => scenario,
        Err(errors) => return errors.render(false),
    };
    let suite = Corpus::embedded().suite("arcaflow").expect("the suite is right");
    let subject = Subject::of_command("arcaflow", "plugin", vec!["true".into()]);
    let row = &scenario.rows[0];
    match Script::build(&suite, &scenario, &subject, row, "", "v3", Knobs::default()) {
        Ok(_) => panic!("nothing is wrong with {}", path.display()),
        Err(problems) => FileErrors { file, text, problems }.render(false),
    }
}

#[test]
fn every_mistake_is_explained() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/broken");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).expect("files").flatten().map(|entry| entry.path()).collect();
    files.sort();
    let told: Vec<String> = files.iter().map(|file| errors(file)).collect();
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(concat!(env!("CARGO_MANIFEST_DIR"), "/reports/snapshots"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!("file_errors", told.join("\n\n")));
}
