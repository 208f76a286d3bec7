//! The JSON Schema (draft 2020-12) of manifests, for editors.
//!
//! Keys, kinds, ranges, defaults and choices come from the code that reads manifests (see `describe`), so the schema
//! cannot say otherwise. Only these are written down here, and tests hold them against that code by name:
//!
//! - `words`: a line about every key, kind and choice;
//! - `elements`: what a key holds whose value the reading code takes apart itself, such as an array of sizes.

mod elements;
#[cfg(test)]
mod tests;
mod words;

use serde_json::{Map, Value, json};

use super::decode;
use super::describe::{Described, Field};
use super::scalar::Limits;
use crate::prune::Criterion;

/// The schema.
pub fn schema() -> Value {
    let sections = decode::described();
    let mut definitions = Definitions::default();
    definitions.0.insert("variable".to_owned(), elements::variable());
    let pipeline = definitions.table("pipeline", &sections.pipeline);
    let data = definitions.table("data", &sections.data);
    let network = definitions.network(&sections.networks);
    definitions.0.insert("network".to_owned(), network);
    let stages = definitions.table("stage", &sections.stages);
    let search = definitions.table("search", &sections.search);
    let report = definitions.table("report", &sections.report);
    let named = |schema: Value, description: &str| json!({ "description": description, "type": "object", "additionalProperties": schema });
    let mut stages = named(stages, words::of("stages"));
    stages["minProperties"] = json!(1);
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "pleach manifest",
        "type": "object",
        "properties": {
            "pipeline": with_description(pipeline, words::of("pipeline")),
            "data": named(data, words::of("data")),
            "networks": named(reference("network"), words::of("networks")),
            "stages": stages,
            "matrix": with_description(elements::matrix(), words::of("matrix")),
            "search": with_description(search, words::of("search")),
            "report": with_description(report, words::of("report")),
            "expect": with_description(elements::expect(), words::of("expect")),
        },
        "required": ["stages"],
        "additionalProperties": false,
        "$defs": definitions.0,
    })
}

/// Tables that occur in several places, by the key that holds them.
#[derive(Default)]
struct Definitions(Map<String, Value>);

impl Definitions {
    /// A table called `name`, of one of several kinds.
    ///
    /// Which it is, one key says, so a mistake is shown where it stands: `oneOf` would say of the whole table that it is none of
    /// them. The `anyOf` holds of everything; editors that do not follow conditions, such as taplo, offer its keys.
    fn table(&mut self, name: &str, kinds: &[Described]) -> Value {
        let mut each: Vec<Value> = kinds.iter().map(|described| self.kind(name, described)).collect();
        if each.len() == 1 {
            return each.remove(0);
        }
        let words: Vec<(&str, &str)> = kinds.iter().filter_map(|described| described.kind).collect();
        let [(key, _), ..] = words[..] else { return json!({ "type": "object", "oneOf": each }) };
        let defined: Vec<Value> =
            words.iter().zip(each).map(|((_, word), schema)| self.define(&format!("{name}-{word}"), schema)).collect();
        let conditions = words.iter().zip(&defined).map(|((key, word), schema)| {
            json!({ "if": { "properties": { *key: { "const": word } }, "required": [key] }, "then": schema })
        });
        let conditions: Vec<Value> = conditions.collect();
        let words: Vec<&str> = words.iter().map(|(_, word)| *word).collect();
        let offered: Vec<Value> = defined.into_iter().chain([json!({})]).collect();
        json!({
            "type": "object",
            "properties": { key: { "description": words::of(&format!("{name}.{key}")), "enum": words } },
            "required": [key],
            "anyOf": offered,
            "allOf": conditions,
        })
    }

    /// A reference to `schema` under a name, or the schema itself where another one has that name.
    fn define(&mut self, name: &str, schema: Value) -> Value {
        let known = self.0.entry(name).or_insert_with(|| schema.clone());
        if *known == schema { reference(name) } else { schema }
    }

    fn kind(&mut self, name: &str, described: &Described) -> Value {
        let mut properties = Map::new();
        let mut needed: Vec<&str> = described.needed.clone();
        let mut scope = name.to_owned();
        let mut schema = json!({ "type": "object" });
        if let Some((key, word)) = described.kind {
            scope = format!("{name}/{word}");
            schema["description"] = words::of(&scope).into();
            let description = words::of(&format!("{name}.{key}"));
            properties.insert(key.to_owned(), json!({ "description": description, "const": word }));
            needed.insert(0, key);
        }
        for (key, field) in &described.fields {
            if properties.contains_key(*key) {
                continue;
            }
            let path = words::path(&scope, key);
            let property = match elements::of(&path) {
                Some(element) => element,
                None => self.field(&path, key, field),
            };
            let property = if FIXED.contains(&name) { property } else { or_variable(property) };
            properties.insert((*key).to_owned(), with_description(property, words::of(&path)));
        }
        needed.dedup();
        schema["properties"] = properties.into();
        schema["required"] = json!(needed);
        if let [first, others @ ..] = &described.alternatives[..] {
            // One of them is enough. What is asked for where there is none is the first.
            let needs = |key: &&str| json!({ "required": [key] });
            let or = |otherwise: Value, key: &&str| json!({ "if": needs(key), "else": otherwise });
            schema["allOf"] = json!([others.iter().rev().fold(needs(first), or)]);
        }
        schema["additionalProperties"] = json!(false);
        schema
    }

    fn field(&mut self, path: &str, key: &str, field: &Field) -> Value {
        let mut schema = match field {
            Field::Integer(range, _) => {
                let mut schema = json!({ "type": "integer", "minimum": range.start() });
                if *range.end() < i64::MAX as u64 {
                    schema["maximum"] = json!(range.end());
                }
                schema
            }
            Field::Number(limits, _) => number(limits),
            Field::Boolean(_) => json!({ "type": "boolean" }),
            Field::String => json!({ "type": "string" }),
            Field::Choice(choices, _) => {
                let choice = |word: &&str| json!({ "const": word, "description": of_choice(path, word) });
                json!({ "oneOf": choices.iter().map(choice).collect::<Vec<Value>>() })
            }
            Field::Strings => json!({ "type": "array", "items": { "type": "string" } }),
            Field::Numbers(limits) => json!({ "type": "object", "additionalProperties": number(limits) }),
            Field::Table(kinds) => self.shared(key, kinds),
            Field::Tables(kinds) => json!({ "type": "array", "items": or_variable(self.shared(key, kinds)) }),
            Field::Kinds(kinds) => {
                let word = |(_, word): (_, &'static str)| json!({ "const": word, "description": words::of(&format!("{key}/{word}")) });
                let words: Vec<Value> = kinds.iter().filter_map(|described| described.kind.map(word)).collect();
                let (word, table) = (json!({ "oneOf": words }), self.shared(key, kinds));
                let either =
                    json!({ "if": { "type": "string" }, "then": word, "else": table, "anyOf": [word, table, {}] });
                json!({ "type": "array", "items": either, "uniqueItems": true, "default": [] })
            }
            // Said in `elements`, or a test fails.
            Field::Other => json!({}),
        };
        let default = match field {
            Field::Integer(_, default) => default.map(Value::from),
            Field::Number(_, default) => default.map(Value::from),
            Field::Boolean(default) => Some((*default).into()),
            Field::Choice(_, default) => default.map(Value::from),
            _ => None,
        };
        if let Some(default) = default.filter(|_| !elements::DEPENDENT.contains(&path)) {
            schema["default"] = default;
        }
        schema
    }

    /// A reference to the table's definition, or the table itself where another one has its name.
    fn shared(&mut self, key: &str, kinds: &[Described]) -> Value {
        let table = self.table(key, kinds);
        self.define(key, table)
    }

    /// A network: an architecture, that of another stage's result, or that of a file.
    fn network(&mut self, architectures: &[Described]) -> Value {
        let architecture = self.table("network", architectures);
        let architecture = self.define("architecture", architecture);
        let [like, file] = ["like", "file"].map(|key| {
            json!({
                "type": "object",
                "description": words::of(&format!("network/{key}")),
                "properties": { key: { "description": words::of(&format!("network.{key}")), "type": "string" } },
                "required": [key],
                "additionalProperties": false,
            })
        });
        json!({
            "type": "object",
            "anyOf": [architecture, like, file, {}],
            "if": { "required": ["like"] },
            "then": like,
            "else": { "if": { "required": ["file"] }, "then": file, "else": architecture },
        })
    }
}

/// Sections in which nothing can be a variable.
const FIXED: [&str; 3] = ["pipeline", "search", "report"];

/// A value, or a variable in its place. What editors show about the value stays outside; the `anyOf` is for those that do not
/// follow conditions, and the condition makes a mistake stand where it is, and not at the whole value.
fn or_variable(mut schema: Value) -> Value {
    let default = schema.as_object_mut().and_then(|schema| schema.remove("default"));
    let mut either = json!({ "if": reference("variable"), "else": schema });
    if ["$ref", "oneOf", "anyOf", "items", "properties"].iter().any(|word| schema.get(word).is_some()) {
        either["anyOf"] = json!([schema, {}]);
    }
    if let Some(default) = default {
        either["default"] = default;
    }
    either
}

fn number(limits: &Limits) -> Value {
    let mut schema = json!({ "type": "number" });
    for (word, bound) in limits.bounds() {
        schema[word] = json!(bound);
    }
    schema
}

/// The line about a choice; a criterion that looks at images says so.
fn of_choice(path: &str, word: &str) -> String {
    let line = words::of(&format!("{path}={word}"));
    let criterion = Criterion::ALL.iter().find(|(name, _)| *name == word).map(|(_, criterion)| criterion);
    match criterion {
        Some(criterion) if path.ends_with(".criterion") && criterion.needs_data() => format!("{line}; needs `data`"),
        _ => line.to_owned(),
    }
}

fn reference(definition: &str) -> Value {
    json!({ "$ref": format!("#/$defs/{definition}") })
}

fn with_description(mut schema: Value, description: &str) -> Value {
    schema["description"] = description.into();
    schema
}
