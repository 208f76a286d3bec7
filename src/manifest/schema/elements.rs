//! What keys hold whose values the reading code takes apart itself.

use serde_json::{Value, json};

/// Keys whose default depends on another key; `words` says how, and no `default` is given.
pub const DEPENDENT: [&str; 14] = [
    "data.seed",
    "stage.seed",
    "stage/import.seed",
    "network/resnet.width",
    "network/preact-resnet.width",
    "network.shortcut",
    "network/vgg.dropout",
    "network.growth",
    "network.bottleneck",
    "network.compression",
    "network/efficientnet.width",
    "network/efficientnet.depth",
    "network/efficientnet.dropout",
    "method/weights.steps",
];

/// The schema of what stands at `path`; none for what a description says itself.
pub fn of(path: &str) -> Option<Value> {
    Some(match path {
        "data.size" => numbers(2, &json!({ "type": "integer", "minimum": 1, "maximum": 4096 })),
        "data.channels" => json!({ "enum": [1, 3], "default": 3 }),
        "data.normalization" => normalization(),
        "network.hidden" => sizes(),
        "network/lenet.hidden" => with_default(sizes(), &json!([120, 84])),
        "network/lenet.channels" => with_default(numbers(2, &size()), &json!([6, 16])),
        "network/resnet.depth" | "network/preact-resnet.depth" => {
            json!({ "type": "integer", "minimum": 8, "maximum": 1202 })
        }
        "network/vgg.depth" => json!({ "enum": [11, 13, 16, 19] }),
        "network/densenet.depth" => json!({ "type": "integer", "minimum": 7, "maximum": 1000 }),
        "layers.kernel" | "layers.output" => pair(1),
        "layers.stride" | "layers.dilation" => with_default(pair(1), &json!(1)),
        "layers/max-pool.stride" | "layers/average-pool.stride" => pair(1),
        "layers.padding" => with_default(pair(0), &json!(0)),
        "layers/convolution.padding" => pair(0),
        "layers.inputs" => names(),
        "stage.network" => {
            let network = json!({ "$ref": "#/$defs/network" });
            json!({ "if": { "type": "string" }, "else": network, "anyOf": [network, {}] })
        }
        "stage.models" => {
            let mut names = names();
            (names["minItems"], names["uniqueItems"]) = (json!(1), json!(true));
            names
        }
        "optimizer.betas" => {
            let number = json!({ "type": "number", "minimum": 0, "exclusiveMaximum": 1 });
            with_default(numbers(2, &number), &json!([0.9, 0.999]))
        }
        "schedule/step.milestones" => {
            json!({ "type": "array", "items": { "type": "integer", "minimum": 1, "maximum": 1_000_000 } })
        }
        "report.metrics" => json!({ "type": "object", "additionalProperties": { "type": "string" } }),
        _ => return None,
    })
}

/// What can stand in place of a value: an axis of the matrix, or a choice by its value.
pub fn variable() -> Value {
    json!({
        "description": "An axis of `[matrix]`, `${matrix.NAME}`, or a choice by its value, `{ by = \"${matrix.NAME}\", VALUE = …, else = … }`.",
        "anyOf": [
            { "type": "string", "pattern": "\\$\\{" },
            {
                "type": "object",
                "properties": { "by": { "type": "string", "pattern": "\\$\\{" } },
                "required": ["by"],
                "additionalProperties": {},
            },
        ],
    })
}

/// `[matrix]`: axes with free names, and three keys that are none.
pub fn matrix() -> Value {
    let value = json!({ "anyOf": [{ "type": "string" }, { "type": "number" }, { "type": "boolean" }] });
    let combination = json!({ "type": "object", "additionalProperties": value });
    let combinations = json!({ "type": "array", "items": combination });
    let zip = json!({ "type": "array", "items": { "type": "array", "items": { "type": "string" }, "minItems": 2 } });
    let described = |mut schema: Value, words: &str| {
        schema["description"] = words.into();
        schema
    };
    json!({
        "type": "object",
        "properties": {
            "exclude": described(combinations.clone(), "Combinations to leave out."),
            "include": described(combinations, "Combinations to add; axes that one leaves open take all their values."),
            "zip": described(zip, "Axes that move together."),
        },
        "additionalProperties": {
            "description": "An axis: its values, or a table of named values.",
            "anyOf": [{ "type": "array", "items": value, "minItems": 1 }, { "type": "object", "additionalProperties": {} }],
        },
    })
}

/// `[expect]`: measures by the name of the networks, both free.
pub fn expect() -> Value {
    let bound = json!({
        "description": "A relation and a limit, such as `>= 0.91`; with `at 95 %` the whole confidence interval has to hold.",
        "type": "string",
    });
    let measures = json!({ "type": "object", "additionalProperties": bound });
    json!({ "type": "object", "additionalProperties": measures })
}

fn with_default(mut schema: Value, default: &Value) -> Value {
    schema["default"] = default.clone();
    schema
}

/// An array of exactly `count`.
fn numbers(count: usize, each: &Value) -> Value {
    json!({ "type": "array", "items": each, "minItems": count, "maxItems": count })
}

fn names() -> Value {
    json!({ "type": "array", "items": { "type": "string" } })
}

fn size() -> Value {
    json!({ "type": "integer", "minimum": 1, "maximum": 1 << 20 })
}

fn sizes() -> Value {
    json!({ "type": "array", "items": size(), "maxItems": 1000 })
}

/// A number for both directions, or height and width.
fn pair(least: u64) -> Value {
    let number = json!({ "type": "integer", "minimum": least, "maximum": 1 << 20 });
    json!({ "anyOf": [number, numbers(2, &number)] })
}

/// `"measured"`, or one number a channel of each.
fn normalization() -> Value {
    let channels = |number: Value| json!({ "type": "array", "items": number, "minItems": 1, "maxItems": 3 });
    let mean = channels(json!({ "type": "number", "minimum": 0, "maximum": 1 }));
    let deviation = channels(json!({ "type": "number", "exclusiveMinimum": 0 }));
    json!({
        "anyOf": [
            { "const": "measured" },
            {
                "type": "object",
                "properties": { "mean": mean, "deviation": deviation },
                "required": ["mean", "deviation"],
                "additionalProperties": false,
            },
        ],
        "default": "measured",
    })
}
