//! What keys hold whose values the reading code takes apart itself.

use serde_json::{Value, json};

/// The schema of what stands at `path`; none for what a description says itself.
pub fn of(path: &str) -> Option<Value> {
    let sizes = || json!({ "type": "array", "items": { "type": "integer", "minimum": 1, "maximum": 1 << 20 } });
    let names = || json!({ "type": "array", "items": { "type": "string" } });
    Some(match path {
        "network.hidden" => sizes(),
        "network/lenet.channels" => {
            let mut sizes = sizes();
            (sizes["minItems"], sizes["maxItems"], sizes["default"]) = (json!(2), json!(2), json!([6, 16]));
            sizes
        }
        "network/resnet.depth" => json!({ "type": "integer", "minimum": 8, "maximum": 1202 }),
        "stage.network" => json!({ "anyOf": [{ "type": "string" }, { "$ref": "#/$defs/network" }] }),
        "stage.models" => {
            let mut names = names();
            (names["minItems"], names["uniqueItems"]) = (json!(1), json!(true));
            names
        }
        "stage.augment" => {
            let words = json!({ "enum": ["crop", "flip"] });
            json!({ "type": "array", "items": words, "uniqueItems": true, "default": [] })
        }
        "optimizer.betas" => {
            let number = json!({ "type": "number", "minimum": 0, "exclusiveMaximum": 1 });
            json!({ "type": "array", "items": number, "minItems": 2, "maxItems": 2, "default": [0.9, 0.999] })
        }
        "schedule/step.milestones" => {
            json!({ "type": "array", "items": { "type": "integer", "minimum": 1, "maximum": 1_000_000 } })
        }
        _ => return None,
    })
}
