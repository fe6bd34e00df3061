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
mod session;
mod task;

use std::collections::VecDeque;

use super::document;
use super::schema::{Schema, Scope, Step};
use crate::datum::Datum;
use crate::protocol::{Drive, Flaw, Setting};
use session::Runs;
use task::{Dialect, Tasks};

/// How many inputs each step gets that are drawn; fewer where each costs a process.
const SAMPLES: u64 = 8;
const FEW: u64 = 2;

/// The themes: what the outputs are, each limit, each type, what may be left out, texts for numbers, and properties that
/// speak of others.
pub const DRIVES: [&str; 8] =
    ["outputs", "limits", "types", "optional", "literals", "required-if", "required-if-not", "conflicts"];

/// A plugin's steps under one theme; where a process does one task alone, each trial has a process of its own.
///
/// # Errors
/// A theme that there is not, or a hello that has no readable schema.
pub fn drive(theme: &str, setting: Setting<'_>) -> Result<Box<dyn Drive>, String> {
    let announced = setting.bindings.get("announced").ok_or("the hello has bound no schema")?;
    let dialect = match setting.profile {
        "document" => Some(Dialect::Document),
        "v1" => Some(Dialect::V1),
        _ => None,
    };
    let read = |schema| Schema::read(schema).map_err(|fault| format!("the schema cannot be read: {fault}"));
    let schema = match dialect {
        Some(Dialect::Document) => read(&document::deployed(announced))?,
        _ => read(announced)?,
    };
    let left = |id: &str| setting.capabilities.contains(&format!("undriven.{id}"));
    let mut trials = VecDeque::new();
    for (id, step) in schema.steps.iter().filter(|(id, _)| !left(id)) {
        let of_theme = trials_of(theme, &step.input, setting.seed, dialect)?;
        if of_theme.is_empty() {
            continue;
        }
        let plain = fit::plain(&step.input).map(|input| Trial::new("plain", input, Wanted::Plain));
        // What is drawn fits, and tells by itself; where each input costs a process it is enough.
        let plain = plain.filter(|_| dialect.is_none() || theme != "outputs");
        let of_theme = plain.into_iter().chain(of_theme);
        trials.extend(of_theme.map(|trial| (id.clone(), trial)));
    }
    let failing = Failing { steps: Vec::new(), are_tried: theme == "optional" };
    Ok(match dialect {
        None => Box::new(Runs::new(schema, trials, failing)),
        Some(dialect) => Box::new(Tasks::new(dialect, schema, trials, failing, theme == "outputs")),
    })
}

fn trials_of(theme: &str, input: &Scope, seed: u64, dialect: Option<Dialect>) -> Result<Vec<Trial>, String> {
    let mut trials = match theme {
        "outputs" => sample::trials(input, seed, if dialect.is_some() { FEW } else { SAMPLES }),
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
    if dialect == Some(Dialect::Document) && theme == "required-if-not" {
        // The document says when such a property may be left out, not what follows when all are.
        trials.retain(|trial| trial.wanted != Wanted::Refusal);
    }
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

    /// That it was refused although it fits.
    fn refused(&self) -> String {
        let (input, about) = (crate::datum::brief(&self.input), &self.about);
        format!("the input {input} fits the schema ({about}), and is refused")
    }

    /// That it was taken although it does not fit.
    fn taken(&self) -> String {
        let (input, about) = (crate::datum::brief(&self.input), &self.about);
        format!("the input {input} does not fit the schema ({about}), and is taken")
    }

    /// What was sent, for people.
    fn awaited(&self, step: &str) -> String {
        format!("step `{step}`, input {} ({})", crate::datum::brief(&self.input), self.about)
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

/// Steps that fail on their plainest input: what they refuse beside it says nothing.
struct Failing {
    steps: Vec<String>,
    /// Whether they are tried all the same: what leaves nothing out may be taken, and then the plainest must be.
    are_tried: bool,
}

impl Failing {
    /// Takes out what is not tried.
    fn sift(&self, trials: &mut VecDeque<(String, Trial)>) {
        trials.retain(|(step, _)| self.are_tried || !self.steps.contains(step));
    }

    /// Whether this step must take nothing, as far as is known.
    fn has(&self, step: &str) -> bool {
        self.steps.iter().any(|failing| failing == step)
    }

    /// The step has taken this trial: it does not fail by itself, and should have taken the plainest input too.
    fn takes(&mut self, step: &str, trial: &Trial) -> Option<Flaw> {
        let at = self.steps.iter().position(|failing| failing == step)?;
        self.steps.remove(at);
        let input = crate::datum::brief(&trial.input);
        let message = format!(
            "the plainest input fits the schema, and is refused, although {input} is taken ({}): what is there and need not \
             be is demanded",
            trial.about
        );
        Some(Flaw { about: format!("{step}: plain"), message })
    }

    fn traits(&self) -> impl Iterator<Item = String> + '_ {
        self.steps.iter().map(|id| format!("step-fails-by-itself.{id}"))
    }
}

/// The output is one of this very step, and its data fits; `output` is the map that names both.
fn output_fits(step: &Step, output: &Datum) -> Result<(), String> {
    let id = output.get("output_id").and_then(Datum::as_text).unwrap_or_default();
    let Some(scope) = step.outputs.get(&*id) else {
        return Err(format!("the step does not declare the output `{id}`"));
    };
    let value = output.get("output_data").unwrap_or(&Datum::Null);
    scope
        .check(value)
        .map_err(|fault| format!("the data of the output `{id}` does not fit its schema: {fault}"))
}

/// A step that takes 1 to 3, and the trials of its limits, for the tests of those who play them.
#[cfg(test)]
fn limits_of_a_step() -> (Schema, VecDeque<(String, Trial)>) {
    let scope = r#"{"root": "in", "objects": {"in": {"id": "in", "properties": {
        "n": {"type": {"type_id": "integer", "min": 1, "max": 3}}}}}}"#;
    let text = format!(
        r#"{{"steps": {{"good": {{"id": "good", "input": {scope}, "outputs": {{"success": {{"schema": {scope}}}}}}}}}}}"#
    );
    let schema =
        Schema::read(&crate::datum::notation::parse_datum(&text).expect("notation")).expect("schema");
    let trials = near::limits(&schema.steps["good"].input);
    (schema, trials.into_iter().map(|trial| ("good".to_owned(), trial)).collect())
}
