//! Each matcher both ways: what it takes and what it refuses.

use crate::datum::notation::parse_datum;
use crate::datum::{Bindings, Compare, Datum, Kind, Pattern, Scope, View};

fn fits(pattern: &str, datum: &str) -> bool {
    let mut bindings = Bindings::default();
    bindings.set("name", "Ada");
    bindings.set("seven", 7_i64);
    bindings.remember("ids", &Datum::from(1_i64));
    let mut scope = Scope::new(Compare::Typed, &bindings, &|name, _| {
        if name == "yes" { Ok(()) } else { Err("no".into()) }
    });
    let datum = parse_datum(datum).unwrap_or_else(|error| panic!("{datum}: {error:?}"));
    let pattern = Pattern::parse(pattern).unwrap_or_else(|error| panic!("{pattern}: {error:?}"));
    pattern.matches(View::of(&datum), &mut scope).is_ok()
}

#[test]
fn each_takes_what_it_names_and_nothing_else() {
    let rows = [
        ("$any", "null", None),
        ("$nonempty", "\"x\"", Some("\"\"")),
        ("$nonempty", "[1]", Some("7")),
        ("$text", "\"\"", Some("1")),
        ("$uint", "0", Some("-1")),
        ("$int", "-1", Some("1.0")),
        ("$bool", "true", Some("1")),
        ("$bytes", "h'00'", Some("\"x\"")),
        ("$starts(\"ab\")", "\"abc\"", Some("\"cab\"")),
        ("$starts(\"${name}\")", "\"Ada L\"", Some("\"ada\"")),
        ("$contains(\"b\")", "\"abc\"", Some("\"ac\"")),
        ("$matches(\"^a+$\")", "\"aa\"", Some("\"ab\"")),
        ("$oneof(1, two: 2)", "2", Some("3")),
        ("$not(1)", "2", Some("1")),
        ("$not({\"a\": 1, ...})", "{\"a\": 2}", Some("{\"a\": 1, \"b\": 2}")),
        ("$in(1..5)", "5", Some("6")),
        ("$in(..5)", "-9", Some("\"5\"")),
        ("$in(1, $get(seven))", "7", Some("8")),
        ("$len(2..)", "\"äö\"", Some("\"ä\"")),
        ("$get(seven)", "7", Some("8")),
        ("[$let(x), $get(x)]", "[4, 4]", Some("[4, 5]")),
        ("$let(seven)", "7", Some("8")),
        ("$unique(ids)", "2", Some("1")),
        ("[$unique(new, $int), $unique(new)]", "[1, 2]", Some("[1, 1]")),
        ("$json({\"a\": 1})", "\"{\\\"a\\\": 1.0}\"", Some("\"{\"")),
        ("$yaml({\"a\": [1]})", "\"a:\\n- 1\\n\"", Some("\"a: 2\"")),
        ("$check(yes)", "1", None),
        ("$not($check(no))", "1", None),
        ("$gen(text, 3)", "\"aaa\"", Some("\"aa\"")),
        ("$gen(bytes, 2)", "h'0001'", Some("h'0002'")),
        ("$gen(repeat, \"xy\", 2)", "\"xyxy\"", Some("\"xyxx\"")),
    ];
    for (pattern, good, bad) in rows {
        assert!(fits(pattern, good), "{pattern} takes {good}");
        if let Some(bad) = bad {
            assert!(!fits(pattern, bad), "{pattern} refuses {bad}");
        }
    }
}

#[test]
fn observations_are_only_taken_by_name() {
    let bindings = Bindings::default();
    let status = Datum::from(7_i64);
    let exit = View { kind: Kind::Exit, datum: Some(&status) };
    let taken = |pattern: &str| {
        let mut scope = Scope::new(Compare::Typed, &bindings, &|_, _| Ok(()));
        Pattern::parse(pattern).expect("a pattern").matches(exit, &mut scope).is_ok()
    };
    assert!(taken("$exit(7)") && taken("$exit") && taken("$oneof(1, $exit($not(0)))"));
    assert!(!taken("$any") && !taken("$not(1)") && !taken("$exit(0)") && !taken("$end"));
}

#[test]
fn mistakes_are_explained() {
    let message = |text: &str| Pattern::parse(text).expect_err(text).swap_remove(0).message;
    assert_eq!(message("$unit"), "no matcher `$unit`, did you mean `$uint`?");
    assert_eq!(message("$startswith(\"x\")"), "no matcher `$startswith`, did you mean `$starts`?");
    assert!(message("$whatever").starts_with("no matcher `$whatever` (known: $absent, $any, "));
    assert_eq!(message("$in(3)"), "$in: takes bounds, both included: 1..5, 1.. or ..5");
    assert_eq!(message("$end(1)"), "$end: takes no argument");
    assert_eq!(message("$oneof(abc)"), "$oneof: `abc` is no value; a text is written in double quotes");
}

#[test]
fn every_mistake_of_a_pattern_is_told_where_it_stands() {
    let text = r#"{"a": $unit, "b": [$let(x, $strng), ...], "c": $oneof($in(3), $end(1)), ..., ...}"#;
    let mistakes = Pattern::parse(text).expect_err("mistakes");
    let mut at: Vec<&str> = mistakes.into_iter().map(|mistake| &text[mistake.span]).collect();
    at.sort();
    assert_eq!(at, ["$end(1)", "$in(3)", "$strng", "$unit", "..."]);
}
