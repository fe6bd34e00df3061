//! Driving a plugin whose process does one task: each trial is a process of its own, with a hello of its own.

use std::collections::VecDeque;

use super::{Failing, Trial, Wanted, output_fits};
use crate::datum::{Datum, Kind, View};
use crate::protocol::arcaflow::schema::Schema;
use crate::protocol::{Drive, Flaw, Turn};

const SIGTERM: i32 = 15;

/// How a session of one task begins and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// A null asks for the hello; the process ends after its output.
    V1,
    /// The hello comes by itself; the process may stay until SIGTERM.
    Document,
}

/// Where the process of the current trial is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// It has said hello.
    Ready,
    /// It was told to start work.
    Work,
    /// It has given its output, and is to end.
    End,
    /// It has ended.
    Gone,
    /// It was started again.
    Start,
    /// Its hello is awaited.
    Hello,
}

/// Tasks, one after another.
pub(super) struct Tasks {
    dialect: Dialect,
    schema: Schema,
    trials: VecDeque<(String, Trial)>,
    current: Option<(String, Trial)>,
    at: At,
    output: Option<Datum>,
    /// Whether a second output is judged here; else it is simply unexpected.
    counts_outputs: bool,
    is_idle: bool,
    failing: Failing,
}

impl Tasks {
    pub(super) fn new(
        dialect: Dialect,
        schema: Schema,
        trials: VecDeque<(String, Trial)>,
        failing: Failing,
        counts_outputs: bool,
    ) -> Self {
        Self {
            dialect,
            schema,
            trials,
            current: None,
            at: At::Ready,
            output: None,
            counts_outputs,
            is_idle: true,
            failing,
        }
    }

    /// The next work start.
    fn work(&mut self) -> Option<Turn> {
        let (step, trial) = self.trials.pop_front()?;
        let message = Datum::map([("id", Datum::text(&step)), ("config", trial.input.clone())]);
        self.current = Some((step, trial));
        (self.at, self.output, self.is_idle) = (At::Work, None, false);
        Some(Turn::Send(message))
    }

    /// What became of the trial whose process has ended.
    fn judge(&mut self, has_failed: bool) -> Result<(), Flaw> {
        let Some((id, trial)) = self.current.take() else { return Ok(()) };
        let flaw = |message: String| Flaw { about: format!("{id}: {}", trial.about), message };
        if self.output.is_some()
            && let Some(flaw) = self.failing.takes(&id, &trial)
        {
            return Err(flaw);
        }
        match (&self.output, trial.wanted) {
            (None, _) if !has_failed => {
                Err(flaw("it ends with status 0, and has neither an output nor a failure".into()))
            }
            (None, Wanted::Plain) => {
                self.failing.steps.push(id);
                self.failing.sift(&mut self.trials);
                Ok(())
            }
            (None, Wanted::Output) if self.failing.has(&id) => Ok(()),
            (None, Wanted::Answer | Wanted::Refusal) => Ok(()),
            (None, Wanted::Output) => Err(flaw(trial.refused())),
            (Some(_), Wanted::Refusal) => Err(flaw(trial.taken())),
            (Some(output), _) => match self.schema.steps.get(&id) {
                Some(step) => output_fits(step, output).map_err(flaw),
                None => Ok(()),
            },
        }
    }
}

impl Drive for Tasks {
    fn next(&mut self) -> Option<Turn> {
        match (self.at, self.dialect) {
            (At::Ready, _) => self.work(),
            (At::Work, Dialect::Document) if self.output.is_some() => {
                self.at = At::End;
                Some(Turn::Signal(SIGTERM))
            }
            (At::Gone, _) if self.trials.is_empty() => None,
            (At::Gone, _) => {
                self.at = At::Start;
                Some(Turn::Start)
            }
            (At::Start, Dialect::V1) => {
                self.at = At::Hello;
                Some(Turn::Send(Datum::Null))
            }
            (At::Start, Dialect::Document) => {
                self.at = At::Hello;
                Some(Turn::Wait)
            }
            (At::Work | At::End | At::Hello, _) => Some(Turn::Wait),
        }
    }

    fn knows(&self, view: View<'_>) -> bool {
        let has = |key: &str| view.datum.is_some_and(|message| message.get(key).is_some());
        match (view.kind, self.at) {
            (Kind::Message, At::Hello) => has("version"),
            (Kind::Message, At::Work | At::End) if has("output_id") => {
                self.output.is_none() || self.counts_outputs
            }
            (Kind::Message, At::Work) => self.dialect == Dialect::Document && has("status"),
            (Kind::Exit | Kind::Signalled, At::Work | At::End) => true,
            _ => false,
        }
    }

    fn take(&mut self, view: View<'_>) -> Result<(), Flaw> {
        match (view.kind, self.at) {
            (Kind::Message, At::Hello) => self.at = At::Ready,
            (Kind::Message, _) if view.datum.is_some_and(|message| message.get("output_id").is_some()) => {
                if self.output.is_some() {
                    let about = self.current.as_ref().map_or("", |(id, _)| id).to_owned();
                    return Err(Flaw { about, message: "a second output comes".into() });
                }
                self.output = view.datum.cloned();
            }
            (Kind::Exit | Kind::Signalled, _) => {
                self.at = At::Gone;
                let is_zero = view.kind == Kind::Exit && view.datum.and_then(Datum::as_int) == Some(0);
                return self.judge(!is_zero);
            }
            _ => {}
        }
        Ok(())
    }

    fn awaits(&self) -> String {
        match (&self.current, self.at) {
            (Some((id, trial)), At::End) => format!("SIGTERM after {}", trial.awaited(id)),
            (Some((id, trial)), _) => trial.awaited(id),
            (None, At::Start | At::Hello) => "what asks for the hello of the next process".into(),
            (None, _) => "nothing".into(),
        }
    }

    fn traits(&self) -> Vec<String> {
        self.failing.traits().chain(self.is_idle.then(|| "nothing-to-try".to_owned())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datum::notation::parse_datum;
    use crate::protocol::arcaflow::drive::limits_of_a_step;

    fn no_failing() -> Failing {
        Failing { steps: Vec::new(), are_tried: false }
    }

    /// Drives a plugin of one task that takes numbers up to `most`; the turns, without the works, and what is found.
    fn driven(dialect: Dialect, most: i128) -> (Vec<Turn>, Vec<String>) {
        let (schema, trials) = limits_of_a_step();
        let mut tasks = Tasks::new(dialect, schema, trials, no_failing(), false);
        let (mut turns, mut flaws) = (Vec::new(), Vec::new());
        let mut seen = |tasks: &mut Tasks, kind, text: &str| {
            let datum = parse_datum(text).expect("notation");
            let view = View { kind, datum: Some(&datum) };
            assert!(tasks.knows(view), "{kind:?} {text}");
            flaws.extend(tasks.take(view).err().map(|flaw| flaw.about));
        };
        while let Some(turn) = tasks.next() {
            let hello = r#"{"version": 1, "schema": {}}"#;
            match &turn {
                Turn::Send(Datum::Null) => seen(&mut tasks, Kind::Message, hello),
                Turn::Wait if dialect == Dialect::Document => seen(&mut tasks, Kind::Message, hello),
                Turn::Send(work) => {
                    let n = work.get("config").and_then(|config| config.get("n")).and_then(Datum::as_int);
                    match n.filter(|n| (1..=most).contains(n)) {
                        Some(n) => {
                            let output =
                                format!(r#"{{"output_id": "success", "output_data": {{"n": {n}}}}}"#);
                            seen(&mut tasks, Kind::Message, &output);
                        }
                        None => seen(&mut tasks, Kind::Exit, "1"),
                    }
                    continue;
                }
                Turn::Wait | Turn::Signal(_) => seen(&mut tasks, Kind::Exit, "0"),
                Turn::Start => {}
            }
            turns.push(turn);
        }
        (turns, flaws)
    }

    #[test]
    fn every_trial_has_a_process_of_its_own_and_a_limit_off_by_one_is_found() {
        let (turns, flaws) = driven(Dialect::V1, 3);
        assert_eq!(flaws, Vec::<String>::new());
        assert_eq!(turns[..3], [Turn::Wait, Turn::Start, Turn::Send(Datum::Null)]);
        assert_eq!(driven(Dialect::V1, 4).1, ["good: n value above most"]);
        let (turns, flaws) = driven(Dialect::Document, 2);
        assert_eq!(flaws, ["good: n value at most"]);
        assert_eq!(turns[..3], [Turn::Signal(SIGTERM), Turn::Start, Turn::Wait]);
    }

    #[test]
    fn a_step_that_demands_what_it_need_not_is_found_by_the_input_that_has_it() {
        let (schema, mut trials) = limits_of_a_step();
        let (step, taken) = trials.pop_front().expect("a trial");
        let plain = Trial::new("plain", taken.input.clone(), Wanted::Plain);
        let trials = VecDeque::from([(step.clone(), plain), (step, taken)]);
        let failing = Failing { steps: Vec::new(), are_tried: true };
        let mut tasks = Tasks::new(Dialect::V1, schema, trials, failing, false);
        let (one, zero) = (Datum::from(1_i64), Datum::from(0_i64));
        let ends = |status| View { kind: Kind::Exit, datum: Some(status) };
        let hello = parse_datum(r#"{"version": 1}"#).expect("notation");
        let output = parse_datum(r#"{"output_id": "success", "output_data": {"n": 1}}"#).expect("notation");
        assert!(matches!(tasks.next(), Some(Turn::Send(_))));
        assert_eq!(tasks.take(ends(&one)), Ok(()));
        assert_eq!(tasks.next(), Some(Turn::Start));
        assert_eq!(tasks.next(), Some(Turn::Send(Datum::Null)));
        assert_eq!(tasks.take(View::of(&hello)), Ok(()));
        assert!(matches!(tasks.next(), Some(Turn::Send(_))));
        assert_eq!(tasks.take(View::of(&output)), Ok(()));
        assert_eq!(tasks.take(ends(&zero)).expect_err("plain").about, "good: plain");
        assert_eq!(tasks.traits(), Vec::<String>::new());
    }

    #[test]
    fn what_ends_well_without_an_output_has_done_neither() {
        let (schema, trials) = limits_of_a_step();
        let mut tasks = Tasks::new(Dialect::V1, schema, trials, no_failing(), false);
        assert!(matches!(tasks.next(), Some(Turn::Send(_))));
        let zero = Datum::from(0_i64);
        let flaw = tasks.take(View { kind: Kind::Exit, datum: Some(&zero) }).expect_err("neither");
        assert!(flaw.message.contains("neither"), "{}", flaw.message);
    }
}
