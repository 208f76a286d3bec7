//! Evaluations as tables.

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ContentArrangement, Table};

use super::results::{Evaluation, Row};
use super::{bytes, count};

/// How wide a table may be; beyond that the column that can be missed most stays away.
const WIDTH: usize = 160;

/// One evaluation as a table: accuracy first, then sizes and times, each as a share of the reference's. Networks with masks
/// have two sizes, with all weights written out and as they are stored.
pub fn evaluation(evaluation: &Evaluation) -> String {
    let reference = evaluation.reference.and_then(|index| evaluation.models.get(index));
    let mut body = rendered(evaluation, reference, reference.is_some());
    if body.lines().any(|line| line.chars().count() > WIDTH) {
        body = rendered(evaluation, reference, false);
    }
    let against = match reference {
        None => String::new(),
        Some(of) if of.metrics.has_diverged() => {
            format!("; x is against {}, and there is no Δ, because its logits are not finite", of.model)
        }
        Some(of) => format!("; Δ and x are against {}", of.model),
    };
    let title = format!(
        "{}: {} {} images of {}{against}",
        evaluation.stage,
        count(evaluation.images),
        evaluation.split,
        evaluation.data
    );
    format!("{title}\n{body}{}", diverged(evaluation))
}

/// A line for each network whose logits are not finite.
fn diverged(evaluation: &Evaluation) -> String {
    let rows = evaluation.models.iter().filter(|row| row.metrics.has_diverged());
    rows.map(|row| format!("  {} diverged: some of its logits are not finite\n", row.model)).collect()
}

fn rendered(evaluation: &Evaluation, reference: Option<&Row>, efficiency: bool) -> String {
    let masked = evaluation.models.iter().any(is_masked);
    let mut table = Table::new();
    table.load_preset(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    let mut headers = vec!["model", "top-1", "Δ", "top-5", "loss", "parameters", "", "non-zero", "", "MACs", ""];
    headers.extend(efficiency.then_some("efficiency"));
    headers.extend(if masked { &["dense", "stored"][..] } else { &["bytes"] });
    headers.extend(["ms/image", "images/s"]);
    table.set_header(headers);
    for row in &evaluation.models {
        table.add_row(cells(row, reference, efficiency, masked));
    }
    aligned(table, 1)
}

fn is_masked(row: &Row) -> bool {
    row.metrics.masked.is_some_and(|masked| masked > 0)
}

fn cells(row: &Row, reference: Option<&Row>, efficiency: bool, masked: bool) -> Vec<String> {
    let m = &row.metrics;
    let share = |value: u64, of: fn(&Row) -> u64| match reference {
        Some(reference) if of(reference) > 0 => format!("{:.2}x", value as f64 / of(reference) as f64),
        _ => String::new(),
    };
    let difference = |r: &Row| format!("{:+.2}", 100.0 * (m.top1 - r.metrics.top1));
    let mut cells = vec![
        row.model.clone(),
        percent(m.top1),
        reference.filter(|r| !m.has_diverged() && !r.metrics.has_diverged()).map_or(String::new(), difference),
        percent(m.top5),
        m.loss.map_or("not finite".to_owned(), loss),
        count(m.parameters),
        share(m.parameters, |r| r.metrics.parameters),
        count(m.nonzeros),
        share(m.nonzeros, |r| r.metrics.nonzeros),
        count(m.macs),
        share(m.macs, |r| r.metrics.macs),
    ];
    if efficiency {
        cells.push(row.efficiency.map_or(String::new(), |efficiency| format!("{efficiency:.3}")));
    }
    if masked {
        cells.push(m.dense_bytes.map_or(String::new(), bytes));
    }
    cells.extend([
        bytes(m.bytes),
        format!("{:.3}", row.timing.latency_ms),
        count(row.timing.throughput.round() as u64),
    ]);
    cells
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
    aligned(table, 1)
}

/// A table as text: its first columns are words, all others numbers.
pub(super) fn aligned(mut table: Table, words: usize) -> String {
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
        if column.index >= words {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.to_string().lines().map(|line| format!("  {}\n", line.trim_end())).collect()
}

/// A loss with four digits behind the point; one that is huge by its size.
fn loss(loss: f64) -> String {
    if loss < 1e6 { format!("{loss:.4}") } else { format!("{loss:.1e}") }
}

fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}
