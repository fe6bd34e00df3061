//! What steps and rules mean, each both ways: a subject that does right, and one that does not.
//!
//! The subject is a script of its own: it says given messages at given times, whatever it is told, then ends.

use std::sync::Arc;

use plugfest::actor::{Act, Actor, Doing, Doings, Event, Exit, Part, Payload, Pieces, What, WireId};
use plugfest::codec::cbor;
use plugfest::corpus::Corpus;
use plugfest::datum::notation::parse_datum;
use plugfest::play::{Knobs, Outcome, Play, Script};
use plugfest::scenario::scenario;
use plugfest::sim::{self, Faults, Setting, SimEnd};
use plugfest::subject::Subject;
use plugfest::transcript::Memory;

/// Says messages at times in milliseconds, and ends with status 0 at the end of its input.
struct Says {
    doings: Doings,
    lines: Vec<(u64, String)>,
}

impl Actor for Says {
    fn on(&mut self, event: &Event, doings: &mut Vec<Doing>) {
        let due = |line: &(u64, String)| line.0 * 1_000_000 <= event.at;
        while self.lines.first().is_some_and(due) {
            let (_, text) = self.lines.remove(0);
            let act = match text.strip_prefix("exit ") {
                Some(status) => {
                    Act::Exit { wire: WireId::STDIO, status: Exit::Code(status.parse().expect("a status")) }
                }
                None => {
                    let mut bytes = Payload::default();
                    cbor::encode(&parse_datum(&text).expect("a value"), &mut bytes);
                    Act::Write { wire: WireId::STDIO, part: Part::Main, bytes, pieces: Pieces::Whole }
                }
            };
            self.doings.push(doings, act);
        }
        if let Some((next, _)) = self.lines.first() {
            self.doings.push(doings, Act::Wake(next * 1_000_000));
        }
        if matches!(event.what, What::Ended { .. } | What::Signal { .. }) {
            self.doings.push(doings, Act::Exit { wire: WireId::STDIO, status: Exit::Code(0) });
        }
    }
}

/// Plays a scenario (its head is given here) against such a subject.
fn play(steps: &str, says: &[(u64, &str)]) -> Outcome {
    let text = format!(
        "role = \"plugin\"\nopening = false\ncovers = \"ARCA3-WORK-01\"\noff = {{ hello-keys = \"no hello here\" }}\n{steps}"
    );
    let suite = Corpus::embedded().suite("arcaflow").expect("the suite is right");
    let scenario = scenario("arcaflow", "test", "test.toml", &text)
        .unwrap_or_else(|errors| panic!("{}", errors.render(false)));
    let subject = Subject::of_command("arcaflow", "plugin", vec!["says".into()]).into();
    let script = Script::build(&suite, &scenario, &subject, &scenario.rows[0], "", "v3", Knobs::default());
    let mut play = Play::new(Arc::new(script.unwrap_or_else(|problems| panic!("{problems:?}"))));
    let lines: Vec<(u64, String)> = says.iter().map(|(at, text)| (*at, (*text).to_owned())).collect();
    let programs = |_: &[String], _: &std::collections::BTreeMap<String, String>| {
        Some(Box::new(Says { doings: Doings::default(), lines: lines.clone() }) as Box<dyn Actor>)
    };
    let setting = Setting { programs: &programs, packages: &|_| None, faults: Faults::default(), seed: 1 };
    assert_eq!(sim::run(&mut play, &setting, &mut Memory::default()), SimEnd::Finished, "{steps}");
    play.outcome()
}

/// The first finding: outcome, step, kind; empty if there is none.
fn finding(steps: &str, says: &[(u64, &str)]) -> String {
    let outcome = play(steps, says);
    let first = outcome.findings.first();
    first.map_or(String::new(), |finding| {
        format!("{} {} {}", finding.outcome.name(), finding.step, finding.kind).trim_end().to_owned()
    })
}

const EXPECT_ONE: &str = "[[step]]\nexpect = '''1'''\nwithin = \"100ms\"\n[timing]\nstart = \"0s\"";

#[test]
fn an_expect_has_a_deadline() {
    assert_eq!(finding(EXPECT_ONE, &[(50, "1")]), "");
    assert_eq!(finding(EXPECT_ONE, &[(5000, "1")]), "late expect#1");
}

#[test]
fn the_next_message_must_fit() {
    assert_eq!(finding(EXPECT_ONE, &[(10, "2")]), "broken expect#1 value");
    assert_eq!(finding(EXPECT_ONE, &[(10, "\"x\"")]), "broken expect#1 type");
}

#[test]
fn what_nobody_expects_is_unexpected() {
    assert_eq!(finding(EXPECT_ONE, &[(10, "1"), (10, "2")]), "unexpected lane main");
}

#[test]
fn a_subject_that_ends_is_not_waited_for() {
    assert_eq!(finding(EXPECT_ONE, &[(10, "exit 3")]), "ended expect#1");
    let outcome =
        play("[[step]]\nexpect = '''1'''\n[[step]]\nexpect = '''2'''", &[(10, "1"), (20, "exit 3")]);
    assert_eq!(outcome.findings[0].message, "the subject ended before this came with status 3");
}

#[test]
fn the_end_of_the_process_can_be_expected_where_its_output_is() {
    let steps = "[[step]]\nexpect = '''$oneof(told: 1, died: $exit($not(0)))'''";
    assert_eq!(play(steps, &[(10, "exit 3")]).traits, ["expect#1: died"]);
    assert_eq!(play(steps, &[(10, "1")]).traits, ["expect#1: told"]);
    let wrong = play(steps, &[(10, "exit 0")]);
    assert_eq!(wrong.findings[0].message, "wanted one of 2 forms, nearest: something else, got 0");
}

#[test]
fn a_process_ends_once_so_that_nobody_waits_for_a_second_time() {
    let steps = "[[step]]\non = \"process\"\nexpect = '''$exit(0)'''";
    assert_eq!(finding(steps, &[(10, "exit 0")]), "");
    assert_eq!(finding(steps, &[(10, "exit 3")]), "broken expect#1 value");
    let later =
        "[[step]]\nexpect = '''1'''\n[[step]]\non = \"process\"\nafter = \"50ms\"\nexpect = '''$exit(0)'''";
    assert_eq!(finding(later, &[(10, "1"), (90, "exit 0")]), "");
    assert_eq!(finding(later, &[(10, "1"), (20, "exit 0")]), "ended expect#1");
}

#[test]
fn who_is_told_to_end_did_not_end_at_once() {
    let charged = |outcome: Outcome| outcome.findings[0].requirement.clone();
    assert_eq!(charged(play(EXPECT_ONE, &[(10, "exit 0")])), "ARCA-STREAM-01");
    let closed = format!("[[step]]\nclose = \"write\"\n{EXPECT_ONE}");
    assert_eq!(charged(play(&closed, &[])), "ARCA3-WORK-01");
}

#[test]
fn what_came_instead_is_told() {
    let late = |steps: &str, says: &[(u64, &str)]| play(steps, says).findings[0].message.clone();
    let rule = format!("[[rule]]\nid = \"numbers\"\nallow = '''$int'''\n{EXPECT_ONE}");
    let told = late(&rule.replace("'''1'''", "'''\"x\"'''"), &[(10, "7")]);
    let expected =
        "; the last message, 7, was taken by the rule numbers and does not fit: wanted \"x\", got integer 7";
    assert!(told.ends_with(expected), "{told}");
    let twice = format!("[[step]]\nexpect = '''1'''\n{EXPECT_ONE}");
    let told = late(&twice, &[(10, "1")]);
    assert!(told.ends_with("; before it, 1 was taken by the step expect#1"), "{told}");
}

#[test]
fn silence_is_broken_by_any_message_and_by_a_part_of_one() {
    let steps = "[[step]]\nid = \"still\"\nquiet = \"100ms\"\n[[step]]\nexpect = '''7'''";
    assert_eq!(finding(steps, &[(200, "7")]), "");
    assert_eq!(finding(steps, &[(50, "7")]), "broken still quiet");
}

#[test]
fn after_makes_an_expect_wait_and_floor_makes_an_early_message_a_finding() {
    let after = "[[step]]\nid = \"one\"\nexpect = '''1'''\n[[step]]\nafter = \"100ms\"\nsince = \"one\"\nexpect = '''2'''\n[[rule]]\nallow = '''2'''";
    assert_eq!(finding(after, &[(10, "1"), (50, "2"), (150, "2")]), "");
    let floor = "[[step]]\nid = \"one\"\nexpect = '''1'''\n[[step]]\nid = \"two\"\nfloor = \"100ms\"\nsince = \"one\"\nexpect = '''2'''";
    assert_eq!(finding(floor, &[(10, "1"), (150, "2")]), "");
    assert_eq!(finding(floor, &[(10, "1"), (50, "2")]), "broken two early");
}

#[test]
fn watchers_hold_between_from_and_until() {
    let steps = "[[step]]\nid = \"a\"\nexpect = '''1'''\n[[step]]\nid = \"b\"\nexpect = '''2'''\n[[step]]\nexpect = '''9'''\n\
                 [[rule]]\nallow = '''5'''\n[[rule]]\nid = \"no\"\nforbid = '''5'''\nfrom = \"a\"\nuntil = \"b\"";
    assert_eq!(finding(steps, &[(10, "5"), (20, "1"), (30, "2"), (40, "5"), (50, "9")]), "");
    assert_eq!(finding(steps, &[(10, "1"), (20, "5"), (30, "2"), (40, "9")]), "broken no");
}

#[test]
fn a_requirement_that_saw_too_little_is_inconclusive() {
    let steps = "[[step]]\nexpect = '''{\"n\": 1}'''\n[[rule]]\nid = \"must\"\nrequire = '''{\"n\": $uint}'''\nleast = 2";
    assert_eq!(finding(steps, &[(10, "{\"n\": 1}")]), "inconclusive must least");
    let more = format!("{steps}\n[[rule]]\nallow = '''$any'''");
    assert_eq!(finding(&more, &[(5, "{\"n\": 2}"), (10, "{\"n\": 1}")]), "");
    assert_eq!(finding(&more, &[(5, "{\"n\": -2}"), (10, "{\"n\": 1}")]), "broken must type");
}

#[test]
fn what_is_allowed_may_come_so_often() {
    let steps = "[[step]]\nexpect = '''1'''\n[[step]]\nexpect = '''2'''\n[[rule]]\nallow = '''5'''\nmost = 1";
    assert_eq!(finding(steps, &[(10, "1"), (20, "5"), (30, "2")]), "");
    assert_eq!(finding(steps, &[(10, "1"), (20, "5"), (25, "5"), (30, "2")]), "broken expect#2 value");
}

#[test]
fn a_step_can_depend_on_a_label() {
    let steps = "[[step]]\nexpect = '''$oneof(one: 1, two: 2)'''\n[[step]]\nif = \"two\"\nexpect = '''3'''";
    assert_eq!(finding(steps, &[(10, "1")]), "");
    assert_eq!(finding(steps, &[(10, "2"), (20, "3")]), "");
    assert_eq!(finding(steps, &[(10, "2"), (20, "4")]), "broken expect#2 value");
}

#[test]
fn unique_values_are_new_across_messages() {
    let steps = "[[step]]\nexpect = '''$unique(n, $int)'''\n[[step]]\nexpect = '''$unique(n, $int)'''";
    assert_eq!(finding(steps, &[(10, "1"), (20, "2")]), "");
    assert_eq!(finding(steps, &[(10, "1"), (20, "1")]), "broken expect#2 value");
}

#[test]
fn a_flood_ends_the_case() {
    let steps = "flood = \"10B\"\n[[step]]\nexpect = '''$text'''";
    assert_eq!(finding(steps, &[(10, "\"short\"")]), "");
    assert_eq!(finding(steps, &[(10, "\"longer than ten bytes\"")]), "flood lane main flood");
}

#[test]
fn what_a_message_makes_due_does_not_depend_on_chunks() {
    let steps = "[[step]]\nexpect = '''1'''\n[[step]]\nexpect = '''2'''\n[[step]]\nexpect = '''3'''";
    assert_eq!(finding(steps, &[(10, "1"), (10, "2"), (10, "3")]), "");
    assert_eq!(finding(steps, &[(10, "1"), (10, "3"), (10, "2")]), "broken expect#2 value");
}
