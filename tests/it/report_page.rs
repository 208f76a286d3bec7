//! The HTML report in a real browser: what happens when somebody points, clicks, types and uses the keyboard.
//!
//! Chromium prints the page's elements after a script has sent events to it (`--dump-dom`), so no driver is needed. Skipped,
//! visibly, where no Chromium is on the PATH; the environment variable `PLEACH_BROWSER` says which browser to start.

use std::path::{Path, PathBuf};
use std::process::Command;

use pleach::report::html;
use serde_json::{Value, json};

use crate::divergence::SEARCH;
use crate::reports::SETS;
use crate::support::{Project, repository, skipped};
use crate::times::measured_twice;

/// What browsers that take Chromium's options are called.
const BROWSERS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// The browser to start: the one that was asked for, or the first on the PATH.
fn browser() -> Option<PathBuf> {
    if let Some(asked) = std::env::var_os("PLEACH_BROWSER") {
        return Some(asked.into());
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).flat_map(|folder| BROWSERS.map(|name| folder.join(name))).find(|file| file.is_file())
}

/// A report with every feature: panels, references, a collapsed network, missing values, two evaluations, and a name that
/// would be markup if it were not shown as text.
fn fixture() -> String {
    let path = repository("tests/fixtures/report/report.json");
    std::fs::read_to_string(path).expect("the fixture")
}

/// A page that holds the other one in a frame as wide as a phone: Chromium's own windows do not get that narrow.
const PHONE: &str = r#"<!doctype html><script>
addEventListener("message", (event) => {
  const element = document.createElement("pre");
  element.id = "found";
  element.textContent = event.data;
  document.body.append(element);
});
</script><body><iframe src="page.html" style="width: 360px; height: 740px; border: 0"></iframe></body>"#;

/// Opens the page of `document`, on a phone or a desktop, runs `tests/it/report_page/<script>`, and returns what it found.
fn findings(browser: &Path, document: &str, script: &str, phone: bool) -> Value {
    let read = |name: &str| {
        let path = repository("tests/it/report_page").join(name);
        std::fs::read_to_string(path).expect("the script")
    };
    let page = html::page(document);
    let (head, body) = page.split_once("<head>").expect("a head");
    let (body, end) = body.rsplit_once("</body>").expect("a body");
    let (tell, script) = (read("tell.js"), read(script));
    let page = format!("{head}<head><script>\n{tell}</script>{body}<script>\n{script}</script></body>{end}");
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("page.html"), page).expect("written");
    std::fs::write(folder.path().join("phone.html"), PHONE).expect("written");
    let file = folder.path().join(if phone { "phone.html" } else { "page.html" });
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"])
        .arg(format!("--user-data-dir={}", folder.path().join("profile").display()))
        .args(["--window-size=1280,900", "--virtual-time-budget=5000", "--dump-dom"])
        .arg(format!("file://{}", file.display()))
        .output()
        .expect("the browser starts");
    let dumped = String::from_utf8_lossy(&output.stdout);
    let found = dumped.split_once("<pre id=\"found\">").and_then(|(_, rest)| rest.split_once("</pre>"));
    let Some((found, _)) = found else {
        panic!("the script did not end\n{}", String::from_utf8_lossy(&output.stderr));
    };
    // Hexadecimal, as the dump writes some characters in its own way.
    let digits = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("hexadecimal");
    let bytes: Vec<u8> = found.as_bytes().chunks(2).map(digits).collect();
    serde_json::from_slice(&bytes).expect("JSON")
}

#[test]
fn the_page_answers_to_pointer_and_keyboard() {
    let Some(browser) = browser() else {
        return skipped("there is no Chromium on the PATH; set PLEACH_BROWSER to one");
    };
    let found = findings(&browser, &fixture(), "drive.js", false);
    assert_eq!(found["errors"], json!([]), "{found:#}");
    let text = |place: &str| found.pointer(place).unwrap_or_else(|| panic!("{place} in {found:#}")).clone();

    assert_eq!(text("/sections"), json!(["findings", "networks", "table", "training", "layers", "stages"]));
    assert_eq!(text("/panels"), json!(["resnet", "mobilenet-v2"]));

    // A point shows its card: the instance, its values, its settings and the command that exports it.
    let card = text("/hover/card");
    let card = card.as_str().expect("text");
    for part in ["tuned[arch=resnet,criterion=l1,sparsity=0.5]", "top-1", "method.criterion", "pleach export"] {
        assert!(card.contains(part), "{part} is not in {card}");
    }
    assert_eq!(text("/hover/gone"), json!(true), "the card goes with the pointer");
    assert_eq!(text("/click"), json!({"pinned": true, "stays": true, "copies": true, "closed": true}));

    // Arrow keys go from network to network by size; Enter keeps the card open; Escape closes it.
    let keys = text("/keys");
    assert_eq!(keys["cards"].as_array().expect("cards").len(), 3);
    assert_ne!(keys["cards"][0], keys["cards"][1]);
    assert_eq!(keys["cards"][0], keys["cards"][2], "right and left again");
    assert!(keys["said"].as_str().expect("text").contains("top-1"), "{keys}");
    assert_eq!((&keys["pinned"], &keys["closed"]), (&json!(true), &json!(true)));

    // A collapsed network is in the picture, ringed and named.
    assert_eq!(text("/collapsed"), json!({"rings": 2, "inside": true, "words": true}));

    // A column's head sorts, and sorts the other way round at the second click.
    let rising = text("/sort/rising");
    let mut sorted: Vec<u64> = serde_json::from_value(rising.clone()).expect("numbers");
    assert!(sorted.len() > 5);
    sorted.sort();
    assert_eq!(rising, json!(sorted));
    sorted.reverse();
    assert_eq!(text("/sort/falling"), json!(sorted));
    assert_eq!(text("/sort/aria"), json!(["ascending", "descending"]));
    assert_eq!(text("/table-keys"), json!({"moved": true, "opened": true}));

    // Typing and chips leave those that match, in the table and in the chart.
    assert_eq!(text("/filter"), json!({"all": 12, "typed": 2, "marks": 2, "chip": 6, "both": 1, "cleared": 12}));
    assert_eq!(text("/seeds"), json!(24), "every seed has a line of its own");

    // Names are text.
    assert_eq!(text("/hostile"), json!({"shown": true, "images": 0, "scripts": 4}));
    assert_eq!(text("/evaluations"), json!({"chosen": "score", "panels": 1}));
    assert_eq!(text("/layers"), json!({"lines": 4, "bars": 4, "changed": true}));
    assert_eq!(text("/stages"), json!({"nodes": 7, "edges": 12}));
    assert!(text("/training").as_str().expect("text").contains("epoch 4"));
    assert_eq!(text("/theme"), json!(["light", "dark"]));
}

#[test]
fn a_phone_scrolls_the_page_in_one_direction_only() {
    let Some(browser) = browser() else {
        return skipped("there is no Chromium on the PATH; set PLEACH_BROWSER to one");
    };
    let found = findings(&browser, &fixture(), "phone.js", true);
    assert_eq!(found["errors"], json!([]), "{found:#}");
    assert_eq!(found["width"], json!(360));
    assert_eq!((&found["fits"], &found["too-wide"]), (&json!(true), &json!([])), "{found:#}");
    assert_eq!(found["table-scrolls"], json!(true), "{found:#}");
}

#[test]
fn a_page_without_results_says_so() {
    let Some(browser) = browser() else {
        return skipped("there is no Chromium on the PATH; set PLEACH_BROWSER to one");
    };
    let empty = findings(&browser, "{}", "read.js", false);
    assert_eq!((&empty["errors"], &empty["sections"]), (&json!([]), &json!([])), "{empty:#}");
    assert!(empty["text"].as_str().expect("text").contains("No evaluated network yet"), "{empty:#}");

    // Rows alone, with values missing, are enough for a chart and a table.
    let rows = json!({"rows": [
        {"evaluation": "score", "model": "a", "name": "a", "values": {"top1": 0.5, "parameters": 10}},
        {"evaluation": "score", "model": "b", "name": "b", "values": {"top1": null, "parameters": 20}},
    ]});
    let found = findings(&browser, &rows.to_string(), "read.js", false);
    assert_eq!((&found["errors"], &found["sections"]), (&json!([]), &json!(["networks", "table"])), "{found:#}");
    assert!(found["text"].as_str().expect("text").contains("1 network without a value"), "{found:#}");
}

#[test]
fn classes_have_their_names_whatever_these_are() {
    let Some(browser) = browser() else {
        return skipped("there is no Chromium on the PATH; set PLEACH_BROWSER to one");
    };
    let row = |classes: Value| {
        json!({"rows": [{
            "evaluation": "score", "model": "net", "name": "net", "values": {"top1": 0.6, "parameters": 10},
            "per-class": [0.8, 0.4, null], "classes": classes,
            "normalization": {"mean": [0.25, 0.5], "deviation": [0.125, 1.0]},
        }]})
    };
    let named = json!(["cat", "a<b>\"c,d", "<img src=x onerror=alert(1)>"]);
    let found = findings(&browser, &row(named).to_string(), "classes.js", false);
    assert_eq!((&found["errors"], &found["marked"]), (&json!([]), &json!(0)), "{found:#}");
    assert_eq!(found["bars"], json!(["cat: 80.0\u{202f}%", "a<b>\"c,d: 40.0\u{202f}%"]));
    let card = found["card"].as_str().expect("text");
    for part in
        ["the worst, a<b>\"c,d, has 40.0\u{202f}%", "normalization.mean0.25, 0.5", "normalization.deviation0.125, 1"]
    {
        assert!(card.contains(part), "{part} is not in {card}");
    }
    // Results of earlier versions have no names.
    let found = findings(&browser, &row(json!([])).to_string(), "classes.js", false);
    assert_eq!(found["bars"], json!(["class 0: 80.0\u{202f}%", "class 1: 40.0\u{202f}%"]));
}

fn document(project: &Project) -> String {
    project.succeed(&["report", "pleach.toml", "--format=json"]).stdout
}

#[test]
fn sets_of_images_are_evaluations_of_their_own() {
    let Some(browser) = browser() else {
        return skipped("there is no Chromium on the PATH; set PLEACH_BROWSER to one");
    };
    let project = Project::new(SETS);
    project.run(&[]).expect(0);
    let found = findings(&browser, &document(&project), "sets.js", false);
    assert_eq!(found["errors"], json!([]), "{found:#}");
    let of = |title: &str, networks: [&str; 2], note: &str| {
        let networks: Vec<&str> = networks.into_iter().filter(|name| !name.is_empty()).collect();
        json!({ "title": title, "marks": networks, "lines": networks, "note": note })
    };
    let (small, large) = ("net[share=0.1]", "net[share=0.3]");
    let choice = |share: &str, images: u64| format!("choice of digits[share={share}] (validation, {images} images)");
    let expected = [
        of(&choice("0.1", 135), [small, ""], "Measured on 135 images of the validation split."),
        of(&choice("0.3", 405), [large, ""], "Measured on 405 images of the validation split."),
        of("score (test, 447 images)", [small, large], "Measured on 447 images of the test split."),
    ];
    assert_eq!(found["evaluations"], json!(expected), "{found:#}");
}

#[test]
fn times_that_are_not_to_be_compared_and_stages_that_diverged_are_told() {
    let Some(browser) = browser() else {
        return skipped("there is no Chromium on the PATH; set PLEACH_BROWSER to one");
    };
    let text = |project: &Project| {
        let found = findings(&browser, &document(project), "read.js", false);
        assert_eq!(found["errors"], json!([]), "{found:#}");
        found["text"].as_str().expect("text").to_owned()
    };
    let project = measured_twice();
    let unlike = text(&project);
    let note = "* Times under unlike conditions, not to be compared; --refresh score measures all of them again.";
    for part in [note, "a: 2 threads of ", "b: 1 thread of ", "ms*"] {
        assert!(unlike.contains(part), "{part}: {unlike}");
    }
    assert!(!unlike.contains("diverged"), "{unlike}");
    project.succeed(&["run", "pleach.toml", "--threads", "1", "--refresh", "score"]);
    let alike = text(&project);
    assert!(!alike.contains("unlike") && !alike.contains("ms*"), "{alike}");

    let project = Project::new(SEARCH);
    project.run(&["--keep-going"]).expect(21);
    let lost = text(&project);
    for part in ["1 stage diverged and made no network:", "net[epochs=1,lr=1e30] the loss is "] {
        assert!(lost.contains(part), "{part}: {lost}");
    }
}

#[test]
fn two_reports_stand_side_by_side() {
    let Some(browser) = browser() else {
        return skipped("there is no Chromium on the PATH; set PLEACH_BROWSER to one");
    };
    let held = |name: &str, because: Value| {
        json!({
            "evaluation": "score", "name": name, "split": "test", "axes": {}, "because": because,
            "values": {"top1": [0.5, 0.625], "parameters": [10, 10]},
            "top1": {"difference": 0.125, "low": 0.0625, "high": 0.1875},
            "changed": [["optimizer.lr", "0.1", "0.05"], ["clip-norm", null, "<b>1</b>"]],
        })
    };
    let document = json!({
        "metrics": [{"name": "top1", "title": "top-1", "unit": "share", "higher-is-better": true}],
        "rows": [{"evaluation": "score", "model": "a", "name": "a", "values": {"top1": 0.5, "parameters": 10}}],
        "against": {"report": "before.json", "networks": [held("a", Value::Null), held("b", json!("only there"))]},
    });
    let found = findings(&browser, &document.to_string(), "read.js", false);
    assert_eq!((&found["errors"], &found["sections"][0]), (&json!([]), &json!("against")), "{found:#}");
    let text = found["text"].as_str().expect("text");
    for part in [
        "Against before.json",
        "50.0\u{202f}% → 62.5\u{202f}%",
        "optimizer.lr 0.1 → 0.05, clip-norm nothing → <b>1</b>",
        "only there",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

#[test]
fn what_is_expected_stands_first_with_what_failed_on_top() {
    let Some(browser) = browser() else {
        return skipped("there is no Chromium on the PATH; set PLEACH_BROWSER to one");
    };
    let line = |verdict: &str, model: &str, expected: &str, value: Value, because: Value| {
        json!({
            "verdict": verdict, "model": model, "axes": {"lr": 0.1}, "measure": "accuracy", "expected": expected,
            "value": value, "low": 0.5, "high": 0.75, "because": because,
        })
    };
    let document = json!({
        "rows": [{"evaluation": "score", "model": "a", "name": "a", "values": {"top1": 0.5, "parameters": 10}}],
        "expectations": [
            line("pass", "a", ">= 0.5", json!(0.625), Value::Null),
            line("undecided", "b", ">= 50 % at 95 %", json!(0.625), json!("the limit is inside the interval")),
            line("fail", "<img src=x onerror=alert(1)>", ">= 0.5", Value::Null, json!("the search found nothing")),
        ],
    });
    let found = findings(&browser, &document.to_string(), "read.js", false);
    assert_eq!((&found["errors"], &found["sections"][0]), (&json!([]), &json!("expectations")), "{found:#}");
    let text = found["text"].as_str().expect("text");
    let places = [
        "1 failed, 1 undecided, 1 passed",
        "<img src=x",
        "b[lr=0.1]",
        "62.50\u{202f}% (50.00\u{202f}% to",
        "a[lr=0.1]",
        "0.6250",
    ];
    let places = places.map(|part| text.find(part).unwrap_or_else(|| panic!("{part} is not in {text}")));
    assert!(places.is_sorted(), "{places:?} in {text}");
}
