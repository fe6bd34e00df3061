//! `stop`: the command that ends a subject which our signals do not reach, as one in a container.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use crate::subject::Subject;

/// How long it may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs the command, if the subject has one, with the place holders of the case filled.
///
/// # Errors
/// It could not be run, failed, or took too long: something may be left behind.
pub(super) async fn stop(subject: &Subject, values: &BTreeMap<String, String>) -> Result<(), String> {
    let filled = |part: &String| {
        let all = values.iter().chain(subject.secrets.holders());
        all.fold(part.clone(), |part, (name, value)| part.replace(&format!("{{{name}}}"), value))
    };
    let argv: Vec<String> = subject.stop.iter().map(filled).collect();
    let [program, args @ ..] = argv.as_slice() else { return Ok(()) };
    let told = |why: String| format!("`stop` ({}): {why}; the subject may still run", argv.join(" "));
    let secrets = &subject.secrets;
    let env = subject.env.iter().map(|(name, value)| (name, secrets.revealed(&filled(value))));
    let mut command = tokio::process::Command::new(program);
    command
        .args(args.iter().map(|word| secrets.revealed(word)))
        .envs(env)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command.kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, command.output()).await;
    let output = output.map_err(|_| told(format!("not done within {PATIENCE:?}")))?;
    let output = output.map_err(|error| told(error.to_string()))?;
    if !output.status.success() {
        let said = secrets.hidden(&String::from_utf8_lossy(&output.stderr));
        return Err(told(format!("{}: {}", output.status, said.lines().last().unwrap_or_default())));
    }
    Ok(())
}

/// The same at the end of a run, for a subject that is attached.
///
/// # Errors
/// As before.
pub fn stop_attached(subject: &Subject) -> Result<(), String> {
    if subject.attach.is_none() || subject.stop.is_empty() {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| error.to_string())?.block_on(stop(subject, &BTreeMap::new()))
}
