//! Driving any plugin by the schema that it announces: valid inputs, and near misses of each limit with their twins.
//!
//! Every theme is a list of trials for each step. A step is tried with its plainest input first: one that fails on that
//! by itself cannot be judged by its refusals, and is named as a trait. What is sent is never guessed: [`Scope::accept`]
//! must take each valid input and refuse each near miss, or it is left out.

mod fit;
mod near;
mod pattern;
mod relation;
mod sample;

use std::collections::VecDeque;

use super::schema::{Schema, Scope, Step};
use crate::datum::Datum;
use crate::protocol::{Drive, Flaw, Setting};

/// The themes: what the outputs are, each limit, each type, what may be left out, texts for numbers, and properties that
/// speak of others.
pub const DRIVES: [&str; 8] =
    ["outputs", "limits", "types", "optional", "literals", "required-if", "required-if-not", "conflicts"];

/// A plugin's steps under one theme.
///
/// # Errors
/// A theme that there is not, or a hello that has no readable schema.
pub fn drive(theme: &str, setting: Setting<'_>) -> Result<Box<dyn Drive>, String> {
    let announced = setting.bindings.get("announced").ok_or("the hello has bound no schema")?;
    let schema = Schema::read(announced).map_err(|fault| format!("the schema cannot be read: {fault}"))?;
    let left = |id: &str| setting.capabilities.contains(&format!("undriven.{id}"));
    let mut trials = VecDeque::new();
    for (id, step) in schema.steps.iter().filter(|(id, _)| !left(id)) {
        let of_theme = trials_of(theme, &step.input, setting.seed)?;
        if of_theme.is_empty() {
            continue;
        }
        let plain = fit::plain(&step.input).map(|input| Trial {
            about: "plain".into(),
            input,
            wanted: Wanted::Plain,
        });
        let plain = plain.into_iter().chain(of_theme);
        trials.extend(plain.map(|trial| (id.clone(), trial)));
    }
    Ok(Box::new(Runs { schema, trials, ..Runs::default() }))
}

fn trials_of(theme: &str, input: &Scope, seed: u64) -> Result<Vec<Trial>, String> {
    let mut trials = match theme {
        "outputs" => sample::trials(input, seed),
        "limits" => near::limits(input),
        "types" => near::types(input),
        "optional" => relation::optional(input),
        "literals" => near::literals(input),
        "required-if" => relation::required_if(input),
        "required-if-not" => relation::required_if_not(input),
        "conflicts" => relation::conflicts(input),
        other => return Err(format!("arcaflow has no drive `{other}`")),
    };
    trials.retain(|trial| input.accept(&trial.input).is_ok() == (trial.wanted != Wanted::Refusal));
    Ok(trials)
}

/// One input for a step.
#[derive(Clone, Debug)]
struct Trial {
    /// Where in the input, and what is special about it.
    about: String,
    input: Datum,
    wanted: Wanted,
}

impl Trial {
    fn new(about: impl Into<String>, input: Datum, wanted: Wanted) -> Self {
        Self { about: about.into(), input, wanted }
    }
}

/// What an input must lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    /// Anything: it tells whether the step can be driven at all.
    Plain,
    /// An output that fits, or an error of the step itself.
    Answer,
    /// An output.
    Output,
    /// An error message.
    Refusal,
}

/// Runs, one after another.
#[derive(Default)]
struct Runs {
    schema: Schema,
    trials: VecDeque<(String, Trial)>,
    current: Option<(String, Trial)>,
    count: u64,
    /// Steps that fail on their plainest input.
    failing: Vec<String>,
}

impl Drive for Runs {
    fn next(&mut self) -> Option<Datum> {
        let failing = &self.failing;
        self.trials.retain(|(step, _)| !failing.contains(step));
        let (step, trial) = self.trials.pop_front()?;
        self.count += 1;
        let data = Datum::map([("id", Datum::text(&step)), ("config", trial.input.clone())]);
        let message =
            Datum::map([("id", Datum::from(1_i64)), ("run_id", Datum::text(self.run())), ("data", data)]);
        self.current = Some((step, trial));
        Some(message)
    }

    fn knows(&self, message: &Datum) -> bool {
        let run = message.get("run_id").and_then(Datum::as_text).unwrap_or_default();
        (run == self.run() && is_output(message))
            || ((run == self.run() || run.is_empty()) && is_error(message))
    }

    fn take(&mut self, answer: &Datum) -> Result<(), Flaw> {
        let Some((id, trial)) = self.current.take() else { return Ok(()) };
        let about = format!("{id}: {}", trial.about);
        let flaw = |message: String| Flaw { about, message };
        match trial.wanted {
            Wanted::Plain if is_error(answer) => {
                self.failing.push(id);
                Ok(())
            }
            Wanted::Plain | Wanted::Answer if is_error(answer) => Ok(()),
            Wanted::Output if is_error(answer) => Err(flaw(format!(
                "the input {} fits the schema ({}), and is refused",
                crate::datum::brief(&trial.input),
                trial.about
            ))),
            Wanted::Refusal if is_output(answer) => Err(flaw(format!(
                "the input {} does not fit the schema ({}), and is taken",
                crate::datum::brief(&trial.input),
                trial.about
            ))),
            Wanted::Refusal => refuses_well(answer).map_err(flaw),
            _ => match self.schema.steps.get(&id) {
                Some(step) => output_fits(step, answer).map_err(flaw),
                None => Ok(()),
            },
        }
    }

    fn awaits(&self) -> String {
        match &self.current {
            Some((id, trial)) => {
                format!("step `{id}`, input {} ({})", crate::datum::brief(&trial.input), trial.about)
            }
            None => "nothing".into(),
        }
    }

    fn traits(&self) -> Vec<String> {
        let failing = self.failing.iter().map(|id| format!("step-fails-by-itself.{id}"));
        let nothing = (self.count == 0).then(|| "nothing-to-try".to_owned());
        failing.chain(nothing).collect()
    }
}

impl Runs {
    fn run(&self) -> String {
        format!("drive-{}", self.count)
    }
}

fn is_output(message: &Datum) -> bool {
    message.get("id").and_then(Datum::as_int) == Some(2)
}

fn is_error(message: &Datum) -> bool {
    message.get("id").and_then(Datum::as_int) == Some(5)
}

/// A refusal names its run, and is fatal for it alone.
fn refuses_well(answer: &Datum) -> Result<(), String> {
    let flag = |key: &str| answer.get("data").and_then(|data| data.get(key)).and_then(Datum::as_bool);
    let names = answer.get("run_id").and_then(Datum::as_text).is_some_and(|run| !run.is_empty());
    match (names, flag("step_fatal"), flag("server_fatal")) {
        (false, ..) => Err("the refusal does not name its run".into()),
        (_, Some(true), Some(false)) => Ok(()),
        _ => Err("the refusal is not fatal for its step alone".into()),
    }
}

/// The output is one of this very step, and its data fits.
fn output_fits(step: &Step, answer: &Datum) -> Result<(), String> {
    let data = answer.get("data").unwrap_or(&Datum::Null);
    let id = data.get("output_id").and_then(Datum::as_text).unwrap_or_default();
    let Some(scope) = step.outputs.get(&*id) else {
        return Err(format!("the step does not declare the output `{id}`"));
    };
    let value = data.get("output_data").unwrap_or(&Datum::Null);
    scope
        .check(value)
        .map_err(|fault| format!("the data of the output `{id}` does not fit its schema: {fault}"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::datum::Bindings;
    use crate::datum::notation::parse_datum;

    fn begin(theme: &str, capabilities: &[&str]) -> Box<dyn Drive> {
        let scope = r#"{"root": "in", "objects": {"in": {"id": "in", "properties": {
            "n": {"type": {"type_id": "integer", "min": 1, "max": 3}}}}}}"#;
        let step = |id: &str| {
            format!(
                r#""{id}": {{"id": "{id}", "input": {scope}, "outputs": {{"success": {{"schema": {scope}}}}}}}"#
            )
        };
        let schema = format!(r#"{{"steps": {{{}, {}}}}}"#, step("good"), step("failing"));
        let mut bindings = Bindings::default();
        bindings.set("announced", parse_datum(&schema).expect("notation"));
        let capabilities: BTreeSet<String> = capabilities.iter().map(|name| (*name).to_owned()).collect();
        let setting = Setting { bindings: &bindings, capabilities: &capabilities, seed: 1 };
        drive(theme, setting).unwrap_or_else(|why| panic!("{why}"))
    }

    fn answer(run: &str, id: i64, data: &str) -> Datum {
        let data = parse_datum(data).expect("notation");
        Datum::map([("id", Datum::from(id)), ("run_id", Datum::text(run)), ("data", data)])
    }

    /// Drives a plugin whose step `good` takes up to `most` and whose step `failing` never works; what is found.
    fn driven(theme: &str, most: i128, capabilities: &[&str]) -> (Vec<String>, Vec<String>) {
        let mut drive = begin(theme, capabilities);
        let mut flaws = Vec::new();
        while let Some(message) = drive.next() {
            let run = message.get("run_id").and_then(Datum::as_text).unwrap_or_default().into_owned();
            let data = message.get("data").expect("data");
            let number = data.get("config").and_then(|config| config.get("n")).and_then(Datum::as_int);
            let good = data.get("id").and_then(Datum::as_text).as_deref() == Some("good");
            let told = match number {
                Some(n) if good && (1..=most).contains(&n) => {
                    answer(&run, 2, &format!(r#"{{"output_id": "success", "output_data": {{"n": {n}}}}}"#))
                }
                _ => answer(&run, 5, r#"{"error": "no", "step_fatal": true, "server_fatal": false}"#),
            };
            assert!(drive.knows(&told) && !drive.knows(&answer("other", 2, "{}")));
            flaws.extend(drive.take(&told).err().map(|flaw| flaw.about));
        }
        (flaws, drive.traits())
    }

    #[test]
    fn a_limit_off_by_one_is_found_on_either_side_and_a_failing_step_is_named() {
        let failing = vec!["step-fails-by-itself.failing".to_owned()];
        assert_eq!(driven("limits", 3, &[]), (Vec::new(), failing.clone()));
        assert_eq!(driven("limits", 4, &[]), (vec!["good: n value above most".to_owned()], failing.clone()));
        assert_eq!(driven("limits", 2, &[]), (vec!["good: n value at most".to_owned()], failing));
    }

    #[test]
    fn what_is_left_out_is_not_run_and_what_there_is_not_is_told() {
        assert_eq!(driven("limits", 3, &["undriven.failing"]), (Vec::new(), Vec::new()));
        assert_eq!(driven("conflicts", 3, &[]), (Vec::new(), vec!["nothing-to-try".to_owned()]));
    }
}
