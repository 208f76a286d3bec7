//! The two tables that are written by hand, held against the code that reads manifests.

use std::collections::BTreeSet;

use super::*;

/// Every path that needs a line, and every path whose value is not known.
fn paths(name: &str, kinds: &[Described], lines: &mut BTreeSet<String>, other: &mut BTreeSet<String>) {
    for described in kinds {
        let mut scope = name.to_owned();
        if let Some((key, word)) = described.kind {
            scope = format!("{name}/{word}");
            lines.extend([scope.clone(), format!("{name}.{key}")]);
        }
        for (key, field) in described.fields.iter().filter(|(key, _)| Some(*key) != described.kind.map(|(key, _)| key))
        {
            let path = words::path(&scope, key);
            match field {
                Field::Table(kinds) | Field::Tables(kinds) | Field::Kinds(kinds) => paths(key, kinds, lines, other),
                Field::Choice(choices, _) => lines.extend(choices.iter().map(|word| format!("{path}={word}"))),
                Field::Other => drop(other.insert(path.clone())),
                _ => {}
            }
            lines.insert(path);
        }
    }
}

#[test]
fn every_key_kind_and_choice_has_a_line_and_every_line_is_of_one() {
    let sections = decode::described();
    let (mut lines, mut other) = (BTreeSet::new(), BTreeSet::new());
    for (name, kinds) in [
        ("pipeline", &sections.pipeline),
        ("data", &sections.data),
        ("network", &sections.networks),
        ("stage", &sections.stages),
        ("search", &sections.search),
        ("report", &sections.report),
    ] {
        paths(name, kinds, &mut lines, &mut other);
    }
    let names = ["pipeline", "data", "networks", "stages", "matrix", "search", "report", "expect"];
    lines.extend(names.map(str::to_owned));
    lines.extend(["network/like", "network.like", "network/file", "network.file"].map(str::to_owned));
    let written: BTreeSet<String> = words::WORDS.iter().map(|(path, _)| (*path).to_owned()).collect();
    assert_eq!(written.len(), words::WORDS.len(), "a path has two lines");
    let missing: Vec<&String> = lines.difference(&written).collect();
    assert!(missing.is_empty(), "add a line to `schema/words.rs` for each of {missing:#?}");
    let stale: Vec<&String> = written.difference(&lines).collect();
    assert!(stale.is_empty(), "no key is called {stale:#?}; take the lines out of `schema/words.rs`");
    assert_eq!(elements::DEPENDENT.iter().find(|path| !lines.contains(**path)), None, "no key is called so");
    let unknown: Vec<&String> = other.iter().filter(|path| elements::of(path).is_none()).collect();
    assert!(unknown.is_empty(), "say in `schema/elements.rs` what these hold: {unknown:#?}");
}

#[test]
fn ranges_defaults_and_needs_are_those_of_the_reading_code() {
    let schema = schema();
    let definitions = &schema["$defs"];
    let of_kind = |table: &Value, key: &str, word: &str| {
        let kinds = table["allOf"].as_array().unwrap();
        let kind = kinds.iter().find(|kind| kind["if"]["properties"][key]["const"] == word).unwrap();
        let name = kind["then"]["$ref"].as_str().unwrap().rsplit('/').next().unwrap();
        definitions[name].clone()
    };
    let sgd = of_kind(&definitions["optimizer"], "kind", "sgd");
    assert_eq!(sgd["required"], json!(["kind", "lr"]));
    // Each can be a variable instead.
    let value = |table: &Value, key: &str| table["properties"][key]["else"].clone();
    assert_eq!(value(&sgd, "lr")["exclusiveMinimum"], 0.0);
    assert_eq!(value(&sgd, "momentum")["exclusiveMaximum"], 1.0);
    assert_eq!(sgd["properties"]["momentum"]["default"], 0.0);
    let train = of_kind(&schema["properties"]["stages"]["additionalProperties"], "kind", "train");
    assert_eq!(train["required"], json!(["kind", "network", "epochs", "data"]));
    assert_eq!(train["properties"]["select"]["default"], "last");
    assert_eq!(value(&train, "batch")["maximum"], 1 << 20);
    let channels = of_kind(&definitions["method"], "kind", "channels");
    let criteria = value(&channels, "criterion")["oneOf"].clone();
    let criteria = criteria.as_array().unwrap();
    for (name, criterion) in Criterion::ALL {
        let choice = criteria.iter().find(|choice| choice["const"] == name).unwrap();
        let says_so = choice["description"].as_str().unwrap().ends_with("needs `data`");
        assert_eq!(says_so, criterion.needs_data(), "{name}");
    }
}
