//! An explanation as text.

use super::plan::{line, origin, short};
use super::times::conditions;
use crate::plan::Origin;
use crate::plan::explain::Explanation;
use crate::stage::timing::Timing;

/// Everything the key of `stage` is made of, and how it differs from the nearest earlier result.
pub fn text(explanation: &Explanation, stage: &str) -> String {
    let mut out = match (&explanation.key, &explanation.cached) {
        (Some(key), Some(_)) => format!("{stage}  {key}  cached\n"),
        (Some(key), None) => format!("{stage}  {key}  not in the store\n"),
        (None, _) => {
            format!("{stage}  has no key yet: it depends on what `{}` will make\n", explanation.missing.join("`, `"))
        }
    };
    out.push_str("made of\n");
    let widths = |pick: fn(&(String, String, Origin)) -> usize| explanation.fields.iter().map(pick).max().unwrap_or(0);
    let (names, values) = (widths(|f| f.0.len()), widths(|f| short(&f.1).chars().count()));
    for (name, value, from) in &explanation.fields {
        out.push_str(format!("  {name:names$}  {:values$}  {}", short(value), origin(from)).trim_end());
        out.push('\n');
    }
    if let Some(record) = &explanation.cached {
        out.push_str("outputs\n");
        for (name, output) in &record.outputs {
            out.push_str(&format!("  {name:10}  {}  {}\n", output.digest.short(), super::bytes(output.size)));
        }
        out.push_str("made by\n");
        let timings: Vec<Timing> = serde_json::from_value(record.provenance["measured"].clone()).unwrap_or_default();
        for field in ["pleach", "platform", "processor", "device", "no-gpu", "threads", "seconds", "run"] {
            // Each network of an evaluation was measured when it came first, which may have been in another run.
            let says_otherwise = field == "threads" && !timings.is_empty();
            if record.provenance[field].is_null() || says_otherwise {
                continue;
            }
            out.push_str(&format!("  {field:10}  {}\n", record.provenance[field].to_string().trim_matches('"')));
        }
        for (number, timing) in timings.iter().enumerate() {
            let role = format!("models.{number}");
            out.push_str(&format!("  {role:10}  {:.3} ms an image: {}\n", timing.latency_ms, conditions(timing)));
        }
    }
    if let Some((record, changes)) = &explanation.nearest {
        out.push_str(&format!("nearest earlier result: {} ({})\n", record.label, record.key.short()));
        for change in changes {
            out.push_str(&format!("  {}\n", line(change)));
        }
        if changes.is_empty() {
            out.push_str(match explanation.key {
                Some(_) => "  nothing differs; its files are gone\n",
                None => "  nothing differs but the inputs, as far as they are not known yet\n",
            });
        }
    }
    out
}
