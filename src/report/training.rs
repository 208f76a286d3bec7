//! What training came to, stage by stage, as a table: for reports before anything is evaluated.

use super::document::Epochs;
use super::table::{aligned, empty};

/// The head and the rows: the last epoch of each stage, and the one with the best accuracy on the validation split.
pub fn rows(histories: &[Epochs]) -> (Vec<String>, Vec<Vec<String>>) {
    let head = ["stage", "epochs", "loss", "accuracy", "validation", "best validation"].map(str::to_owned);
    let percent = |share: f64| format!("{:.2} %", 100.0 * share);
    let row = |stage: &Epochs| {
        let last = stage.epochs.last();
        let number = |name: &str| last.and_then(|epoch| epoch.get(name)?.as_f64());
        let shown = |value: Option<String>| value.unwrap_or_default();
        let best = |best: Option<(f64, usize)>,
                    (number, epoch): (usize, &serde_json::Map<String, serde_json::Value>)| {
            let accuracy = epoch.get("validation-accuracy").and_then(serde_json::Value::as_f64);
            match (best, accuracy) {
                (Some((highest, _)), Some(accuracy)) if accuracy <= highest => best,
                (_, Some(accuracy)) => Some((accuracy, number + 1)),
                _ => best,
            }
        };
        let best = stage.epochs.iter().enumerate().fold(None, best);
        let state = if stage.finished { "" } else { ", not finished" };
        vec![
            stage.stage.clone(),
            format!("{} of {}{state}", stage.epochs.len(), stage.of),
            shown(number("loss").map(|loss| format!("{loss:.4}"))),
            shown(number("accuracy").map(percent)),
            shown(number("validation-accuracy").map(percent)),
            shown(best.map(|(accuracy, epoch)| format!("{} in epoch {epoch}", percent(accuracy)))),
        ]
    };
    (head.to_vec(), histories.iter().map(row).collect())
}

/// The same as text.
pub fn text(histories: &[Epochs]) -> String {
    if histories.is_empty() {
        return String::new();
    }
    let (head, rows) = rows(histories);
    let mut table = empty();
    table.set_header(head).add_rows(rows);
    format!("training, by the last epoch that is in the store\n{}\n", aligned(table, 2))
}
