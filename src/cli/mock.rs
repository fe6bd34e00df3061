//! `plugfest mock SUITE ROLE`

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use super::{Wrong, known, say};
use crate::actor::{Actor, Exit, Given};
use crate::exit;
use crate::mocks;
use crate::shell::load::{Unmeasured, measure};
use crate::shell::{Shell, environment};

/// Which reference, and its own arguments.
#[derive(clap::Args, Debug)]
#[command(disable_help_flag = true)]
pub struct Args {
    /// The suite, the role, then the reference's own arguments; `--help` after them tells which.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub(super) words: Vec<String>,
}

/// Runs a reference on our own standard streams.
///
/// # Errors
/// A reference that does not exist, or does not know its arguments.
pub(super) fn mock(args: &Args) -> Result<i32, Wrong> {
    if let Some((mocks::parent::NAME, command)) =
        args.words.split_first().map(|(name, command)| (name.as_str(), command))
    {
        return run(mocks::parent::of(command), args.words.clone());
    }
    let words: Vec<&str> = args.words.iter().map(String::as_str).collect();
    let (suite, role, rest) = match words.as_slice() {
        [] | ["--help" | "-h", ..] | [_] | [_, "--help" | "-h", ..] => {
            print_all()?;
            return Ok(if words.len() == 1 && !words[0].starts_with('-') {
                exit::WRONG_INPUT
            } else {
                exit::GOOD
            });
        }
        [suite, role, rest @ ..] => (*suite, *role, rest),
    };
    let suites: Vec<&str> = mocks::REFERENCES.iter().map(|reference| reference.suite).collect();
    known("suite", suite, suites)?;
    let roles: Vec<&str> =
        mocks::REFERENCES.iter().filter(|known| known.suite == suite).map(|known| known.role).collect();
    known("reference", role, roles)?;
    let Some(reference) = mocks::reference(suite, role) else {
        return Err(Wrong::Said("there is no such reference".into()));
    };
    let own = rest.iter().take_while(|word| **word != "--");
    if own.into_iter().any(|word| matches!(*word, "--help" | "-h")) {
        say(format_args!("plugfest mock {suite} {role}: {}\n\n{}", reference.about, reference.usage))?;
        return Ok(exit::GOOD);
    }
    let words: Vec<String> = rest.iter().map(|word| (*word).to_owned()).collect();
    if let ("apisix", "gateway", true) = (suite, role, words.iter().any(|word| word == "--load")) {
        return load(&words);
    }
    let actor =
        (reference.make)(&words).map_err(|why| format!("{why} (plugfest mock {suite} {role} --help)"))?;
    run(actor, words)
}

/// Runs an actor on our own standard streams.
fn run(mut actor: Box<dyn Actor>, words: Vec<String>) -> Result<i32, Wrong> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let mut shell = Shell::new(std::env::current_dir().unwrap_or_default());
    shell.owns_stdio = true;
    shell.seed = RandomState::new().build_hasher().finish();
    let values = std::env::current_exe().map(|path| ("self".to_owned(), path.display().to_string()));
    shell.given = Given {
        args: words,
        env: environment(),
        wall: std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |since| since.as_secs()),
        values: values.into_iter().chain([("pid".to_owned(), std::process::id().to_string())]).collect(),
    };
    let ended = runtime.block_on(shell.run(actor.as_mut(), &mut ()));
    runtime.shutdown_background();
    Ok(match ended {
        Some(Exit::Code(code)) => code,
        Some(Exit::Signal(signal)) => 128 + signal,
        None => exit::GOOD,
    })
}

/// The gateway's `--load`: no actor, since it measures.
fn load(words: &[String]) -> Result<i32, Wrong> {
    let loading = mocks::apisix::Loading::read(words)
        .map_err(|why| format!("{why} (plugfest mock apisix gateway --help)"))?;
    let runner = (!loading.runner.is_empty()).then(|| Started::new(&loading)).transpose();
    let measured = runner.map_err(Unmeasured::Unreached).and_then(|runner| {
        let measured = measure(&loading, &loading.extent);
        drop(runner);
        measured
    });
    match measured {
        Ok(measured) => {
            say(loading.told(&measured).trim_end())?;
            if let Some(why) = measured.why.filter(|_| measured.failed > 0) {
                anstream::eprintln!("error: {} calls failed, the first because: {why}", measured.failed);
                return Ok(exit::BROKEN);
            }
            Ok(exit::GOOD)
        }
        Err(Unmeasured::Unreached(why)) => {
            anstream::eprintln!("error: {why}");
            Ok(exit::INCONCLUSIVE)
        }
        Err(Unmeasured::Refused(why)) => {
            anstream::eprintln!("error: {why}");
            Ok(exit::BROKEN)
        }
    }
}

/// A runner that is there for one measurement.
struct Started(std::process::Child);

impl Started {
    /// Starts it, and waits until somebody listens.
    fn new(loading: &mocks::apisix::Loading) -> Result<Self, String> {
        let (program, args) = loading.runner.split_first().ok_or("the command of the runner is missing")?;
        let socket = &loading.extent.socket;
        let child = std::process::Command::new(program)
            .args(args)
            .env("APISIX_LISTEN_ADDRESS", format!("unix:{socket}"))
            .env("APISIX_CONF_EXPIRE_TIME", "3600")
            .stdin(std::process::Stdio::null())
            .spawn()
            .map_err(|error| format!("{program}: {error}"))?;
        let mut started = Self(child);
        let begun = std::time::Instant::now();
        while let Err(error) = std::os::unix::net::UnixStream::connect(socket) {
            if let Ok(Some(status)) = started.0.try_wait() {
                return Err(format!("the runner ended before it listened: {status}"));
            }
            if begun.elapsed() > Duration::from_secs(10) {
                return Err(format!("nobody listens on {socket} after 10 s ({error})"));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(started)
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let pid = i32::try_from(self.0.id()).ok().and_then(rustix::process::Pid::from_raw);
        let told = pid.map(|pid| rustix::process::kill_process(pid, rustix::process::Signal::TERM));
        let begun = std::time::Instant::now();
        while told == Some(Ok(())) && begun.elapsed() < Duration::from_secs(2) {
            if self.0.try_wait().is_ok_and(|status| status.is_some()) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn print_all() -> Result<(), Wrong> {
    say("References: plugfest mock SUITE ROLE [OPTIONS]; --help after the role tells more.\n")?;
    for reference in mocks::REFERENCES {
        say(format_args!("  {} {}  {}", reference.suite, reference.role, reference.about))?;
    }
    Ok(())
}
