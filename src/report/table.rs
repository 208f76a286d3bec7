//! Evaluations as tables.

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ContentArrangement, Table};

use super::results::{Evaluation, Row};
use super::{bytes, count};

/// One evaluation as a table: accuracy first, then sizes and times, each as a share of the reference's.
pub fn evaluation(evaluation: &Evaluation) -> String {
    let mut table = Table::new();
    table.load_preset(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    let headers = [
        "model",
        "top-1",
        "Δ",
        "top-5",
        "loss",
        "parameters",
        "",
        "non-zero",
        "",
        "MACs",
        "",
        "bytes",
        "ms/image",
        "images/s",
    ];
    table.set_header(headers);
    let reference = evaluation.reference.and_then(|index| evaluation.models.get(index));
    for row in &evaluation.models {
        table.add_row(cells(row, reference));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
        if column.index > 0 {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let against = reference.map_or(String::new(), |r| format!("; Δ and x are against {}", r.model));
    let title = format!(
        "{}: {} {} images of {}{against}",
        evaluation.stage,
        count(evaluation.images),
        evaluation.split,
        evaluation.data
    );
    let body: String = table.to_string().lines().map(|line| format!("  {}\n", line.trim_end())).collect();
    format!("{title}\n{body}")
}

fn cells(row: &Row, reference: Option<&Row>) -> Vec<String> {
    let m = &row.metrics;
    let share = |value: u64, of: fn(&Row) -> u64| match reference {
        Some(reference) if of(reference) > 0 => format!("{:.2}x", value as f64 / of(reference) as f64),
        _ => String::new(),
    };
    vec![
        row.model.clone(),
        percent(m.top1),
        reference.map_or(String::new(), |r| format!("{:+.2}", 100.0 * (m.top1 - r.metrics.top1))),
        percent(m.top5),
        format!("{:.4}", m.loss),
        count(m.parameters),
        share(m.parameters, |r| r.metrics.parameters),
        count(m.nonzeros),
        share(m.nonzeros, |r| r.metrics.nonzeros),
        count(m.macs),
        share(m.macs, |r| r.metrics.macs),
        bytes(m.bytes),
        format!("{:.3}", row.timing.latency_ms),
        count(row.timing.throughput.round() as u64),
    ]
}

/// Accuracy class by class, one row a model.
pub fn per_class(evaluation: &Evaluation) -> String {
    let mut table = Table::new();
    table.load_preset(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    let classes = evaluation.models.first().map_or(0, |row| row.metrics.per_class.len());
    let mut header = vec!["class".to_owned()];
    header.extend((0..classes).map(|class| class.to_string()));
    table.set_header(header);
    for row in &evaluation.models {
        let mut cells = vec![row.model.clone()];
        cells.extend(
            row.metrics.per_class.iter().map(|share| share.map_or("none".to_owned(), |s| format!("{:.1}", 100.0 * s))),
        );
        table.add_row(cells);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
        if column.index > 0 {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.to_string().lines().map(|line| format!("  {}\n", line.trim_end())).collect()
}

fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}
