//! The HTML report: nothing that a subject says becomes markup, and in a browser it fits every width, light and dark,
//! and its search works. The browser's part needs `chromium`; where it is missing, it is named as not run.

use std::path::Path;
use std::process::{Command, Stdio};

/// A subject whose every text is hostile: its name, and what it prints.
const HOSTILE: &str = "printf '<script>alert(1)</script>\\033[31m\\342\\200\\256'; echo '</details><img src=x onerror=alert(2)>' >&2; exit 3";

/// Runs plugfest; gives the report.
fn report(folder: &Path, selection: &[&str], command: &[&str]) -> String {
    let path = folder.join("report.html");
    let told = assert_cmd::Command::cargo_bin("plugfest")
        .expect("the binary is built")
        .args(["run", "arcaflow", "plugin"])
        .args(selection)
        .args(["--report", &format!("html={}", path.display())])
        .arg("--")
        .args(command)
        .output()
        .expect("it runs");
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{error}: {told:?}"))
}

fn mutant(folder: &Path) -> String {
    let me = assert_cmd::cargo::cargo_bin("plugfest").display().to_string();
    let command = [&me, "mock", "arcaflow", "plugin", "--mutant", "run-id-becomes-empty"];
    report(folder, &["work/", "hello/"], &command)
}

#[test]
fn what_a_subject_says_is_text() {
    let folder = tempfile::tempdir().expect("a folder");
    let page = report(folder.path(), &["hello/"], &["sh", "-c", HOSTILE, "<script>alert(3)</script>"]);
    assert_eq!(page.matches("<script").count(), 1, "only our own script");
    assert!(page.contains("&lt;script&gt;alert"), "the text is shown");
    assert!(!page.contains("<img") && !page.contains('\u{1b}') && !page.contains('\u{202e}'));
    assert!(page.contains("default-src 'none'"), "nothing is loaded");
    assert!(!page.contains("src=\"") && !page.contains("href=\"http"), "nothing is linked from a network");
}

#[test]
fn a_failing_case_has_its_rule_source_and_bytes() {
    let folder = tempfile::tempdir().expect("a folder");
    let page = mutant(folder.path());
    let case = page.split("<details class=\"case v-fail\"").nth(1).expect("a failing case");
    for part in [
        "class=\"level MUST\"",
        "source: ",
        "expected",
        "got",
        "class=\"seq\"",
        "class=\"hex\"",
        "plugfest run",
    ] {
        assert!(case.contains(part), "{part} is missing");
    }
    assert!(page.contains("<caption><b>arcaflow plugin</b>"), "the matrix");
    let opened = page.matches("<details").count();
    assert_eq!(opened, page.matches("</details>").count());
    let passing = page.split("<details class=\"case v-pass\"").nth(1).expect("a passing case");
    assert!(passing.contains("class=\"seq\""), "cases that pass have their exchange too");
}

/// Measures and uses the report as a person would, within a frame of each width, and tells it as text.
const PROBE: &str = r#"
const told = [];
const say = (what) => told.push(what);
const widths = [400, 720, 1024, 1600];
let left = widths.length;
for (const width of widths) {
  const frame = document.createElement('iframe');
  frame.style.cssText = `border:0;width:${width}px;height:900px`;
  frame.onload = () => {
    const page = frame.contentDocument, view = frame.contentWindow;
    page.querySelectorAll('details').forEach((one) => { one.open = true; });
    const over = page.documentElement.scrollWidth - page.documentElement.clientWidth;
    say(`${width} overflow ${over}`);
    const shown = () => page.querySelectorAll('.case:not([hidden])').length;
    const total = shown();
    const q = page.getElementById('q');
    q.value = 'ARCA3-WORK-01'; q.dispatchEvent(new view.Event('input'));
    setTimeout(() => {
      say(`${width} search ${shown() > 0 && shown() < total}`);
      page.getElementById('clear').click();
      page.querySelector('.chip[data-v=fail]').click();
      const fails = page.querySelectorAll('.case.v-fail').length;
      say(`${width} filter ${shown() === fails && fails < total}`);
      page.getElementById('clear').click();
      page.querySelector('.cell[data-s=hello]').click();
      say(`${width} cell ${shown() > 0 && shown() < total}`);
      page.getElementById('clear').click();
      say(`${width} clear ${shown() === total}`);
      say(`${width} ground ${view.getComputedStyle(page.body).backgroundColor}`);
      if (--left === 0) document.body.textContent = 'TOLD ' + told.join('; ') + ' END';
    }, 200);
  };
  frame.srcdoc = REPORT;
  document.body.append(frame);
}
"#;

#[test]
fn it_works_in_a_browser() {
    let Ok(chromium) = which("chromium") else {
        println!("not-run: the HTML report in a browser: chromium is not installed");
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let page = serde_json::to_string(&mutant(folder.path()))
        .expect("a string")
        .replace("</", "<\\/")
        .replace("<!--", "<\\!--");
    let probe = folder.path().join("probe.html");
    std::fs::write(&probe, format!("<!doctype html><body><script>const REPORT = {page};{PROBE}</script>"))
        .expect("a file");
    let grounds = [("0", "rgb(16, 18, 22)"), ("1", "rgb(246, 247, 249)")];
    for (scheme, ground) in grounds {
        let told = browse(&chromium, scheme, &probe, folder.path());
        for width in [400, 720, 1024, 1600] {
            for part in ["overflow 0", "search true", "filter true", "cell true", "clear true"] {
                assert!(told.contains(&format!("{width} {part};")), "{width} {part}: {told}");
            }
            assert!(told.contains(&format!("{width} ground {ground}")), "{width} {ground}: {told}");
        }
    }
}

/// What the probe tells; scheme 0 is dark, 1 is light.
fn browse(chromium: &str, scheme: &str, probe: &Path, folder: &Path) -> String {
    let output = Command::new(chromium)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--window-size=1700,1000",
            "--virtual-time-budget=20000",
        ])
        .arg(format!("--user-data-dir={}", folder.join("profile").display()))
        .arg(format!("--blink-settings=preferredColorScheme={scheme}"))
        .arg("--dump-dom")
        .arg(probe)
        .stderr(Stdio::null())
        .output()
        .expect("chromium runs");
    let dom = String::from_utf8_lossy(&output.stdout).into_owned();
    let told = dom.split("<body>TOLD ").nth(1).and_then(|rest| rest.split(" END").next());
    told.map(|told| format!("{told};")).unwrap_or(dom)
}

fn which(program: &str) -> Result<String, ()> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file());
    found.map(|file| file.display().to_string()).ok_or(())
}
