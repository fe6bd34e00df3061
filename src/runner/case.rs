//! One case, from its script to its result.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::Options;
use super::draft::Draft;
use super::event::{CaseResult, Judged, Verdict};
use super::pauses::Pausing;
use super::spare::Spare;
use crate::actor::Given;
use crate::plan::{Case, level};
use crate::play::{Breach, LaneSource, Play, Script};
use crate::scenario::{Source, Suite};
use crate::shell::{LONGEST_PATH, Shell};
use crate::sim::{self, Faults, Setting, SimEnd};
use crate::transcript::{Header, Record};

/// How the subject is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Vehicle {
    /// As an actor in the simulator; only references can be.
    Simulator(Faults),
    /// As a process, over pipes and sockets.
    Process,
}

/// A path below the folder of a run that stands for one case alone.
pub fn case_folder(run: &Path) -> PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    run.join(format!("c{}", NEXT.fetch_add(1, Ordering::Relaxed)))
}

/// How many bytes the transcripts of all cases that are being played hold.
static HELD: AtomicUsize = AtomicUsize::new(0);

/// Plays a case and judges it. A panic of ours becomes an inconclusive case with a defect.
pub(super) fn play(
    suite: &Suite,
    case: &Case,
    script: &Arc<Script>,
    options: &Options,
    spare: &Spare,
    runtime: Option<&tokio::runtime::Runtime>,
) -> CaseResult {
    let begun = Instant::now();
    let own = case_folder(&options.folder);
    let transcript = own.with_extension("jsonl");
    let folder = (options.vehicle == Vehicle::Process).then(|| spare.take(&own));
    let header = || Header::new(suite, script).line();
    let mut draft = Draft::new(&transcript, &script.subject.secrets, &header, &HELD);
    let mut pauses = 0;
    let played = catch_unwind(AssertUnwindSafe(|| match (&options.vehicle, &folder, runtime) {
        (Vehicle::Simulator(faults), ..) => {
            let mut pausing = Pausing::new(&mut draft);
            let played = simulate(script, faults.clone(), &mut pausing);
            pauses = pausing.pauses;
            played
        }
        (Vehicle::Process, Some(Ok(folder)), Some(runtime)) => {
            runtime.block_on(shell(script, options, (folder, &own), &mut draft))
        }
        (Vehicle::Process, Some(Err(why)), _) => Err(why.clone()),
        (Vehicle::Process, ..) => Err("no runtime could be made".into()),
    }));
    let mut result = CaseResult::not_played(case, Verdict::Pass, "");
    result.millis = begun.elapsed().as_millis() as u64;
    match played {
        Ok(Ok(play)) if !play.is_done() && options.stop.load(Ordering::Relaxed) => {
            result.verdict = Verdict::NotRun;
            result.reason = "the run was stopped".into();
        }
        Ok(Ok(play)) => {
            if options.vehicle != Vehicle::Process {
                result.simulated = play.now() + pauses * script.time("gap");
            }
            judge(&mut result, script, &play, options.every_exchange);
        }
        Ok(Err(why)) => {
            result.verdict = Verdict::Inconclusive;
            result.reason = why;
        }
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or(panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            result.verdict = Verdict::Inconclusive;
            result.defect = true;
            result.reason = format!("a defect of plugfest: {}", text.unwrap_or_default());
        }
    }
    store(draft, &mut result, &transcript);
    if let Some(Ok(folder)) = folder {
        let is_good =
            result.verdict == Verdict::Pass && result.findings.is_empty() && result.notes.is_empty();
        spare.give_back(folder, is_good && script.subject.is_ours);
    }
    result
}

/// Keeps the transcript of a case that somebody may want to look into.
fn store(draft: Draft<'_>, result: &mut CaseResult, transcript: &Path) {
    let is_good = matches!(result.verdict, Verdict::Pass | Verdict::NotRun) && result.findings.is_empty();
    let stored = if is_good { draft.discard() } else { draft.keep() };
    if let Err(error) = stored {
        result.verdict = Verdict::Inconclusive;
        result.reason = format!("the transcript cannot be written: {error}");
    } else if is_good {
        return;
    }
    result.transcript = Some(transcript.display().to_string()).filter(|_| transcript.exists());
}

fn judge(result: &mut CaseResult, script: &Script, play: &Play, every_exchange: bool) {
    let outcome = play.outcome();
    let findings = outcome.findings.into_iter().map(|finding| {
        let level = level(script, &finding.requirement);
        Judged { finding, level, accepted: false }
    });
    let (judged, traits): (Vec<Judged>, Vec<Judged>) = findings.partition(|judged| {
        judged.finding.outcome == Breach::Inconclusive || judged.level > crate::requirement::Level::May
    });
    result.traits = outcome.traits;
    result.traits.extend(
        traits
            .into_iter()
            .map(|judged| format!("{}: {}", judged.finding.requirement, judged.finding.message)),
    );
    result.notes = outcome.notes;
    result.verdict = CaseResult::worst(&judged);
    if let Some(judged) = judged.iter().find(|judged| judged.finding.outcome == Breach::Inconclusive) {
        result.reason = judged.finding.message.clone();
    }
    result.findings = judged;
    if every_exchange || result.verdict != Verdict::Pass || !result.findings.is_empty() {
        result.chart = play.chart().entries().collect();
    }
}

fn simulate(script: &Arc<Script>, faults: Faults, record: &mut impl Record) -> Result<Play, String> {
    let mut play = Play::new(script.clone());
    let packages = crate::mocks::package;
    let setting =
        Setting { programs: &crate::mocks::program, packages: &packages, faults, seed: script.knobs.seed };
    match sim::run(&mut play, &setting, record) {
        SimEnd::Finished => Ok(play),
        SimEnd::Stuck => Err("the simulation stood still before the case was over".into()),
        SimEnd::Endless => Err("the simulation did not come to an end".into()),
    }
}

/// The world in which a case is played, in a folder that is there and under the path that stands for the case.
pub(super) fn world(
    script: &Script,
    options: &Options,
    (folder, own): (&Path, &Path),
) -> Result<Shell, String> {
    let mut world = Shell::new(folder.to_path_buf());
    world.marker = Some(marker(own));
    world.seed = script.knobs.seed;
    world.gap = Duration::from_nanos(script.time("gap"));
    world.given = given(script, folder);
    fits(script, &world.given)?;
    world.packages = crate::package::shelf::package;
    world.stop = Some(options.stop.clone());
    world.tls = script.subject.tls()?;
    world.secrets = script.subject.secrets.clone();
    Ok(world)
}

async fn shell(
    script: &Arc<Script>,
    options: &Options,
    place: (&Path, &Path),
    record: &mut impl Record,
) -> Result<Play, String> {
    let mut play = Play::new(script.clone());
    let world = world(script, options, place)?;
    world.run(&mut play, record).await;
    if script.subject.attach.is_none() {
        super::stop::stop(&script.subject, &world.given.values).await?;
    }
    Ok(play)
}

/// A name that nothing else on this machine has; that of a run begins those of its cases.
pub(super) fn marker(path: &Path) -> String {
    format!("{}-{}/", std::process::id(), path.display())
}

/// The program that subjects start as our relay, where it is not the one that runs.
static PROGRAM: OnceLock<String> = OnceLock::new();

/// Says which `plugfest` subjects start as our relay; for programs that use the library. The first word counts.
pub fn relays_run(program: &str) {
    let _ = PROGRAM.set(program.into());
}

fn program() -> String {
    let own = || std::env::current_exe().map(|path| path.display().to_string()).unwrap_or_default();
    PROGRAM.get_or_init(own).clone()
}

/// What the world chose for this case.
fn given(script: &Script, folder: &Path) -> Given {
    let mut values = BTreeMap::new();
    let dir = folder.display().to_string();
    values.insert("socket".to_owned(), format!("{dir}/s.sock"));
    values.insert("dir".to_owned(), dir);
    values.insert("self".to_owned(), program());
    if script.is_given_a_port() {
        values.insert("port".to_owned(), super::port::free().to_string());
    }
    values.extend(script.subject.attach.iter().flat_map(crate::subject::Attach::values));
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    Given { args: Vec::new(), env: BTreeMap::new(), wall, values }
}

/// Whether the path that the subject is given can be that of a socket.
fn fits(script: &Script, given: &Given) -> Result<(), String> {
    let path = given.values.get("socket").map_or("", String::as_str);
    let connects =
        |lane: &crate::play::Lane| matches!(lane.source, LaneSource::Declared(Source::ConnectUnix));
    if path.len() < LONGEST_PATH || !script.lanes.iter().any(connects) {
        return Ok(());
    }
    Err(format!(
        "the path of a socket has at most {} bytes, this one has {}: {path}; let TMPDIR name a shorter folder",
        LONGEST_PATH - 1,
        path.len()
    ))
}
