//! Who is tested: the subject of a file or command, or the bundled references in both vehicles.

use super::Args;
use crate::cli::{Wrong, known};
use crate::corpus::Corpus;
use crate::mocks::{self, Reference};
use crate::runner::Vehicle;
use crate::sim::Faults;
use crate::subject::{Attach, Subject};

/// One subject in one vehicle.
#[derive(Clone)]
pub(super) struct Job {
    pub(super) subject: Subject,
    pub(super) vehicle: Vehicle,
    pub(super) vehicle_name: &'static str,
    /// The end of the command line that runs it again.
    pub(super) again: String,
    /// What the ids of the selected cases begin with; all are selected if there is none.
    pub(super) prefixes: Vec<String>,
}

impl Job {
    /// A subject of the user.
    fn of_process(subject: Subject, again: String, prefixes: Vec<String>) -> Self {
        Self { subject, vehicle: Vehicle::Process, vehicle_name: "process", again, prefixes }
    }
}

/// The subjects of the run: that of a file or command, or the bundled references in both vehicles.
pub(super) fn jobs(args: &Args, corpus: &Corpus) -> Result<Vec<Job>, Wrong> {
    let suites = corpus.suites();
    if let Some(path) = &args.subject {
        let subject = reached(Subject::read(path)?.located(), args)?;
        known("suite", &subject.suite, suites.iter().map(String::as_str))?;
        let prefixes = prefixes_of(&subject, &args.selection, &suites)?;
        let again = format!(" --subject {}", path.display());
        return Ok(vec![Job::of_process(subject, again, prefixes)]);
    }
    if let Some(suite) = args.selection.first() {
        known("suite", suite, suites.iter().map(String::as_str))?;
    }
    let prefixes: Vec<String> = args.selection.iter().skip(2).cloned().collect();
    if let Some(address) = &args.attach {
        let [suite, role, ..] = args.selection.as_slice() else {
            return Err(Wrong::Said(
                "say which suite and role runs there: plugfest run SUITE ROLE --attach ADDRESS".into(),
            ));
        };
        let mut subject = Subject::of_command(suite, role, Vec::new());
        subject.name.clone_from(address);
        let subject = reached(subject, args)?;
        let again = format!(" --attach {address}");
        return Ok(vec![Job::of_process(subject, again, prefixes)]);
    }
    if !args.command.is_empty() {
        let [suite, role, ..] = args.selection.as_slice() else {
            return Err(Wrong::Said(
                "say which suite and role the command plays: plugfest run SUITE ROLE -- COMMAND".into(),
            ));
        };
        let mut subject = Subject::of_command(suite, role, args.command.clone());
        subject.capabilities = mocks::reference(suite, role)
            .filter(|_| is_reference(&args.command, suite, role))
            .filter(|reference| (reference.subject)().driver.is_none())
            .map(|reference| {
                (reference.subject)().capabilities.iter().map(|name| (*name).to_owned()).collect()
            })
            .unwrap_or_default();
        let subject = reached(subject, args)?;
        let words = args.command.iter().map(String::as_str);
        let again = shlex::try_join(words).map_or(String::new(), |command| format!(" -- {command}"));
        return Ok(vec![Job::of_process(subject, again, prefixes)]);
    }
    if let Some(suite) = args.selection.first()
        && !mocks::REFERENCES.iter().any(|reference| reference.suite == *suite)
    {
        return Err(Wrong::Said(format!(
            "{suite} has no bundled reference: say what to run: --subject FILE, --attach ADDRESS or -- COMMAND"
        )));
    }
    if let [suite, role, ..] = args.selection.as_slice() {
        let of_suite = mocks::REFERENCES.iter().filter(|reference| reference.suite == *suite);
        known("role", role, of_suite.map(|reference| reference.role).collect::<Vec<_>>())?;
    }
    headers(args)?;
    Ok(reference_jobs(args, &prefixes))
}

/// The prefixes of ids in a selection; suite and role need not stand before them where the subject's file names both.
fn prefixes_of(subject: &Subject, selection: &[String], suites: &[String]) -> Result<Vec<String>, Wrong> {
    let names_suite = selection.first().is_some_and(|first| suites.contains(first));
    let (named, prefixes) = selection.split_at(if names_suite { selection.len().min(2) } else { 0 });
    let own = [&subject.suite, &subject.role];
    if let Some((_, own)) = named.iter().zip(own).find(|(named, own)| named != own) {
        let named = named.join(" ");
        return Err(Wrong::Said(format!(
            "the subject's file says `{own}`, the command line `{named}`: leave that out"
        )));
    }
    Ok(prefixes.to_vec())
}

/// The subject with what the command line says of reaching it.
fn reached(mut subject: Subject, args: &Args) -> Result<Subject, Wrong> {
    if let Some(address) = &args.attach {
        if !subject.command.is_empty() {
            return Err(Wrong::Said("--attach: the subject's file has a `command` that starts it".into()));
        }
        subject.attach = Some(Attach::parse(address).map_err(|why| format!("--attach: {why}"))?);
    }
    for (name, value) in headers(args)? {
        subject.headers.insert(name, value);
    }
    subject.ca_file = args.ca_file.clone().or(subject.ca_file);
    subject.insecure |= args.insecure;
    Ok(subject)
}

/// The headers of the command line.
fn headers(args: &Args) -> Result<Vec<(String, String)>, Wrong> {
    let header = |text: &String| match text.split_once(':') {
        Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().into(), value.trim().into())),
        _ => Err(Wrong::Said(format!("--header {text}: write NAME: VALUE"))),
    };
    args.header.iter().map(header).collect()
}

/// Whether a command runs our own reference, whose capabilities we know. (What one has only by its driver, its bare
/// command has not.)
fn is_reference(command: &[String], suite: &str, role: &str) -> bool {
    let words: Vec<&str> = command.iter().skip(1).take(3).map(String::as_str).collect();
    words == ["mock", suite, role]
}

fn reference_jobs(args: &Args, prefixes: &[String]) -> Vec<Job> {
    let wanted = |reference: &&Reference| {
        let [suite, role] = [0, 1].map(|at| args.selection.get(at));
        suite.is_none_or(|suite| suite == reference.suite) && role.is_none_or(|role| role == reference.role)
    };
    let vehicles = [("simulator", Vehicle::Simulator(Faults::default())), ("process", Vehicle::Process)];
    let vehicles =
        vehicles.into_iter().filter(|(name, _)| args.vehicle.as_deref().is_none_or(|only| only == *name));
    let program = std::env::current_exe().map_or("plugfest".into(), |path| path.display().to_string());
    let references: Vec<&Reference> = mocks::REFERENCES.iter().filter(wanted).collect();
    let job = |(vehicle_name, vehicle): (&'static str, Vehicle)| {
        references
            .iter()
            .map(move |reference| (vehicle_name, vehicle.clone(), *reference))
            .collect::<Vec<_>>()
    };
    let all = vehicles.flat_map(job);
    all.map(|(vehicle_name, vehicle, reference)| {
        let subject = mocks::subject(reference, &program, None);
        let again = format!(" --vehicle {vehicle_name}");
        Job { subject, vehicle, vehicle_name, again, prefixes: prefixes.to_vec() }
    })
    .collect()
}
