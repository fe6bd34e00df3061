//! Driving a session of many runs, one after another.

use std::collections::VecDeque;

use super::{Failing, Trial, Wanted, output_fits};
use crate::datum::{Datum, Kind, View};
use crate::protocol::arcaflow::schema::Schema;
use crate::protocol::{Drive, Flaw, Turn};

/// Runs, one after another.
pub(super) struct Runs {
    schema: Schema,
    trials: VecDeque<(String, Trial)>,
    current: Option<(String, Trial)>,
    count: u64,
    failing: Failing,
}

impl Drive for Runs {
    fn next(&mut self) -> Option<Turn> {
        self.failing.sift(&mut self.trials);
        let (step, trial) = self.trials.pop_front()?;
        self.count += 1;
        let data = Datum::map([("id", Datum::text(&step)), ("config", trial.input.clone())]);
        let message =
            Datum::map([("id", Datum::from(1_i64)), ("run_id", Datum::text(self.run())), ("data", data)]);
        self.current = Some((step, trial));
        Some(Turn::Send(message))
    }

    fn knows(&self, view: View<'_>) -> bool {
        let Some(message) = view.datum.filter(|_| view.kind == Kind::Message) else { return false };
        let run = message.get("run_id").and_then(Datum::as_text).unwrap_or_default();
        (run == self.run() && is_output(message))
            || ((run == self.run() || run.is_empty()) && is_error(message))
    }

    fn take(&mut self, view: View<'_>) -> Result<(), Flaw> {
        let (Some((id, trial)), Some(answer)) = (self.current.take(), view.datum) else { return Ok(()) };
        let about = format!("{id}: {}", trial.about);
        let flaw = |message: String| Flaw { about, message };
        if is_output(answer)
            && let Some(flaw) = self.failing.takes(&id, &trial)
        {
            return Err(flaw);
        }
        match trial.wanted {
            Wanted::Plain if is_error(answer) => {
                self.failing.steps.push(id);
                Ok(())
            }
            Wanted::Plain | Wanted::Answer if is_error(answer) => Ok(()),
            Wanted::Output if is_error(answer) && self.failing.has(&id) => Ok(()),
            Wanted::Output if is_error(answer) => Err(flaw(trial.refused())),
            Wanted::Refusal if is_output(answer) => Err(flaw(trial.taken())),
            Wanted::Refusal => refuses_well(answer).map_err(flaw),
            _ => match self.schema.steps.get(&id) {
                Some(step) => output_fits(step, answer.get("data").unwrap_or(&Datum::Null)).map_err(flaw),
                None => Ok(()),
            },
        }
    }

    fn awaits(&self) -> String {
        match &self.current {
            Some((id, trial)) => trial.awaited(id),
            None => "nothing".into(),
        }
    }

    fn traits(&self) -> Vec<String> {
        let nothing = (self.count == 0).then(|| "nothing-to-try".to_owned());
        self.failing.traits().chain(nothing).collect()
    }
}

impl Runs {
    pub(super) fn new(schema: Schema, trials: VecDeque<(String, Trial)>, failing: Failing) -> Self {
        Self { schema, trials, current: None, count: 0, failing }
    }

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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::datum::Bindings;
    use crate::datum::notation::parse_datum;
    use crate::protocol::Setting;

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
        let setting = Setting { bindings: &bindings, capabilities: &capabilities, seed: 1, profile: "v3" };
        super::super::drive(theme, setting).unwrap_or_else(|why| panic!("{why}"))
    }

    fn answer(run: &str, id: i64, data: &str) -> Datum {
        let data = parse_datum(data).expect("notation");
        Datum::map([("id", Datum::from(id)), ("run_id", Datum::text(run)), ("data", data)])
    }

    /// Drives a plugin whose step `good` takes up to `most` and whose step `failing` never works; what is found.
    fn driven(theme: &str, most: i128, capabilities: &[&str]) -> (Vec<String>, Vec<String>) {
        let mut drive = begin(theme, capabilities);
        let mut flaws = Vec::new();
        while let Some(Turn::Send(message)) = drive.next() {
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
            let other = answer("other", 2, "{}");
            assert!(drive.knows(View::of(&told)) && !drive.knows(View::of(&other)));
            flaws.extend(drive.take(View::of(&told)).err().map(|flaw| flaw.about));
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
