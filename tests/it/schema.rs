//! `pleach schema` against manifests that are good, and some that are not.

use serde_json::Value;

use crate::support::{Project, SMALL, repository};
use crate::{import, keys, manifests};

/// The schema as it is printed.
fn schema() -> Value {
    serde_json::from_str(&Project::new("").succeed(&["schema"]).stdout).expect("JSON")
}

fn manifest(text: &str) -> Value {
    serde_json::to_value(text.parse::<toml::Table>().expect("TOML")).expect("JSON")
}

/// Whether `value` is as `schema` says: those words of JSON Schema that ours uses, and a panic at any other.
fn fits(root: &Value, schema: &Value, value: &Value) -> bool {
    let all = |schemas: &Value, fit: &dyn Fn(usize) -> bool| {
        let count = schemas.as_array().unwrap().iter().filter(|schema| fits(root, schema, value)).count();
        fit(count)
    };
    let number = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
    let length = || value.as_array().map_or(0, Vec::len) as u64;
    schema.as_object().unwrap().iter().all(|(word, wanted)| match word.as_str() {
        "$schema" | "$defs" | "title" | "description" | "default" => true,
        "$ref" => fits(root, root.pointer(&wanted.as_str().unwrap()[1..]).expect("a definition"), value),
        "type" => match wanted.as_str().unwrap() {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "boolean" => value.is_boolean(),
            "integer" => value.is_i64(),
            "number" => value.is_number(),
            other => panic!("type {other}"),
        },
        "const" => value == wanted,
        "enum" => wanted.as_array().unwrap().contains(value),
        "oneOf" => all(wanted, &|count| count == 1),
        "anyOf" => all(wanted, &|count| count > 0),
        "minimum" => number(value) >= number(wanted),
        "maximum" => number(value) <= number(wanted),
        "exclusiveMinimum" => number(value) > number(wanted),
        "exclusiveMaximum" => number(value) < number(wanted),
        "minItems" => length() >= wanted.as_u64().unwrap(),
        "maxItems" => length() <= wanted.as_u64().unwrap(),
        "uniqueItems" => {
            let items = value.as_array().unwrap();
            items.iter().enumerate().all(|(index, item)| !items[..index].contains(item))
        }
        "minProperties" => value.as_object().is_some_and(|map| map.len() as u64 >= wanted.as_u64().unwrap()),
        "items" => value.as_array().is_some_and(|items| items.iter().all(|item| fits(root, wanted, item))),
        "required" => wanted.as_array().unwrap().iter().all(|key| value.get(key.as_str().unwrap()).is_some()),
        "properties" => value.as_object().is_some_and(|map| {
            map.iter().all(|(key, value)| wanted.get(key).is_none_or(|schema| fits(root, schema, value)))
        }),
        "additionalProperties" => value.as_object().is_some_and(|map| {
            let rest = map.iter().filter(|(key, _)| schema["properties"].get(key.as_str()).is_none());
            rest.into_iter().all(|(_, value)| if wanted == false { false } else { fits(root, wanted, value) })
        }),
        other => panic!("the schema uses `{other}`"),
    })
}

#[test]
fn every_good_manifest_fits() {
    let schema = schema();
    let folder = std::fs::read_dir(repository("pipelines")).unwrap();
    let pipelines =
        folder.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|e| e == "toml"));
    let mut texts: Vec<String> = pipelines.map(|path| std::fs::read_to_string(path).unwrap()).collect();
    assert!(texts.len() >= 3);
    texts.push(std::fs::read_to_string(repository("src/cli/init.toml")).unwrap());
    texts.extend([SMALL, keys::MANIFEST, manifests::GOOD, import::MANIFEST].map(str::to_owned));
    for text in texts {
        assert!(fits(&schema, &schema, &manifest(&text)), "{text}");
    }
}

#[test]
fn mistakes_do_not_fit() {
    let schema = schema();
    for (from, to) in [
        ("epochs = 4", "epoch = 4"),
        ("epochs = 4", "epochs = 0"),
        ("epochs = 4", "epochs = 4.5"),
        ("epochs = 4\n", ""),
        ("epochs = 4", "epochs = 4\npath = \"weights\""),
        ("kind = \"distill\"", "kind = \"train\""),
        ("kind = \"distill\"", "kind = \"distil\""),
        ("kind = \"sgd\", lr = 0.1", "kind = \"sgd\""),
        ("lr = 0.1", "lr = 0"),
        ("momentum = 0.9", "betas = [0.9, 0.9]"),
        ("milestones = [2, 3]", "milestones = 2"),
        ("kind = \"kd\", temperature", "kind = \"kd\", temprature"),
        ("kind = \"l1\", layer", "kind = \"bn-l1\", delta = 1, layer"),
        ("select = \"best\"", "select = \"first\""),
        ("augment = [\"crop\"]", "augment = [\"crop\", \"crop\"]"),
        ("source = \"digits\"\n", ""),
        ("source = \"digits\"\n", "source = \"mnist\"\n"),
        ("arch = \"mlp\"", "arch = \"lenet\"\nwidth = 3"),
        ("arch = \"mlp\"", "like = \"teacher\""),
        ("sparsity = 0.5", "sparsity = 1.0"),
        ("[pipeline]", "[pipelines]"),
    ] {
        assert_eq!(manifests::GOOD.matches(from).count(), 1, "{from} must occur once");
        let text = manifests::GOOD.replacen(from, to, 1);
        assert!(!fits(&schema, &schema, &manifest(&text)), "{from} → {to}");
    }
}
