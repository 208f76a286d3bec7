//! Results as text. There is one table for all evaluations: those without seeds are the case n = 1.

use std::collections::BTreeMap;

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ContentArrangement, Table};
use indexmap::IndexSet;
use serde_json::Value;

use super::compared::{Compared, Method, compared};
use super::groups::{Group, groups, is_swept, tables};
use super::results::Evaluation;
use super::statistics::Difference;
use super::times::unlike;
use super::{bytes, count};
use crate::manifest::Manifest;
use crate::manifest::matrix::number_label;
use crate::manifest::printable;
use crate::stage::evaluate::MEASURES;

/// How wide a table may be that no terminal shows; beyond that the columns that can be missed most stay away.
const WIDTH: usize = 160;

/// Columns with a higher rank stay away from a table that is too wide even where no terminal shows it.
pub(super) const MISSED_EASILY: u8 = 10;

/// How much of the results is shown.
#[derive(Debug, Clone, Copy)]
pub struct Extent {
    /// The width of the terminal, in characters.
    pub columns: Option<usize>,
    /// The rows of each table.
    pub rows: usize,
    /// Without axes, accuracy by class too.
    pub classes: bool,
}

impl Extent {
    /// Everything, for no terminal.
    pub const ALL: Extent = Extent { columns: None, rows: usize::MAX, classes: true };
}

/// The results as tables, one for each section that evaluates and each set of images that it looks at, and the methods that
/// are held against each other.
pub fn results(evaluations: &[Evaluation], manifest: &Manifest, extent: Extent) -> String {
    let groups = groups(evaluations, manifest);
    let swept = is_swept(evaluations);
    let unlike = unlike(evaluations);
    let mut out = String::new();
    for members in tables(&groups) {
        let (section, split) = (&members[0].evaluation, members[0].split);
        let diverged = members.iter().filter(|group| group.diverged > 0 && !swept);
        let line = |group: &&Group| format!("  {} diverged: some of its logits are not finite\n", group.name);
        let diverged: String = diverged.map(line).collect();
        let unlike = unlike.iter().find(|unlike| unlike.evaluation == *section && unlike.split == split);
        let (mark, note) = unlike.map_or(("", String::new()), |unlike| ("*", unlike.note()));
        let table = table(&members, swept, mark, extent);
        out.push_str(&format!("{}\n{table}{diverged}{note}\n", title(&members)));
        if extent.classes && !swept {
            let evaluations = evaluations.iter().filter(|evaluation| evaluation.template == *section);
            let of_classes = |evaluation| format!("accuracy by class, in per cent\n{}\n", per_class(evaluation));
            out.extend(evaluations.map(of_classes));
        }
    }
    out.push_str(&comparisons(&compared(evaluations, manifest)));
    out
}

/// What a table is of, and what its numbers are.
pub(super) fn title(groups: &[&Group]) -> String {
    let first = groups[0];
    let mut title = format!("{}: {} {} images of {}", first.evaluation, count(first.images), first.split, first.data);
    if groups.iter().any(|group| group.n > 1) {
        title.push_str("; mean ± standard deviation over n seeds");
    }
    let versus: Vec<_> = groups.iter().filter_map(|group| group.versus.as_ref()).collect();
    match groups.iter().find_map(|group| group.against.as_ref()) {
        Some((name, _)) if !versus.is_empty() => title.push_str(&format!("; Δ and x are against {name}")),
        Some((name, true)) => title.push_str(&format!("; x is against {name}")),
        Some((name, false)) => {
            title.push_str(&format!("; x is against {name}, and there is no Δ, because its logits are not finite"));
        }
        None => {}
    }
    if versus.iter().any(|versus| versus.top1.interval.is_some()) {
        title.push_str(", Δ seed by seed with its 95 % interval");
    }
    title.push_str(&adjusted(versus.iter().map(|versus| &versus.top1)));
    title
}

/// What is said of the p of comparisons that stand side by side.
fn adjusted<'a>(differences: impl Iterator<Item = &'a Difference>) -> String {
    match differences.filter(|difference| difference.p.is_some()).count() {
        0 | 1 => String::new(),
        count => format!("; p by Holm for {count} comparisons"),
    }
}

/// A column: its head, its cells, and whether they are words. The wider a table, the lower the `rank` of what stays; 0 always
/// does.
pub(super) struct Column {
    pub head: String,
    pub cells: Vec<String>,
    pub words: bool,
    rank: u8,
}

impl Column {
    fn width(&self) -> usize {
        let cells = self.cells.iter().chain([&self.head]).map(|cell| cell.chars().count());
        cells.max().unwrap_or(0) + 2
    }
}

/// With `mark` behind every time.
fn table(groups: &[&Group], swept: bool, mark: &str, extent: Extent) -> String {
    let more = groups.len().saturating_sub(extent.rows);
    let groups = &groups[..groups.len() - more];
    let (width, stays) = extent.columns.map_or((WIDTH, MISSED_EASILY), |columns| (columns, 0));
    let (columns, mut missed) = fitting(columns(groups, swept, mark), width, stays);
    let mut table = empty();
    table.set_header(columns.iter().map(|column| &column.head));
    for row in 0..groups.len() {
        table.add_row(columns.iter().map(|column| &column.cells[row]));
    }
    let mut text = aligned(table, columns.iter().filter(|column| column.words).count());
    if more > 0 {
        text.push_str(&format!("  … and {} more rows; `pleach report` has them all\n", count(more as u64)));
    }
    if extent.columns.is_some() && !missed.is_empty() {
        missed.reverse();
        text.push_str(&format!("no room for {}; `pleach report --format csv` has all\n", missed.join(", ")));
    }
    text
}

/// Without columns that are empty, and without those that can be missed most as long as a row is wider than `width`; with the
/// heads of the latter. Those whose rank is at most `stays` stay.
pub(super) fn fitting(mut columns: Vec<Column>, width: usize, stays: u8) -> (Vec<Column>, Vec<String>) {
    columns.retain(|column| column.cells.iter().any(|cell| !cell.is_empty()));
    let mut missed: Vec<String> = Vec::new();
    while columns.iter().map(Column::width).sum::<usize>() > width {
        let Some(most) = columns.iter().map(|column| column.rank).max().filter(|rank| *rank > stays) else { break };
        let gone = columns.iter().filter(|column| column.rank == most && !column.head.is_empty());
        missed.extend(gone.map(|column| column.head.clone()));
        columns.retain(|column| column.rank != most);
    }
    (columns, missed)
}

/// All columns, with `mark` behind every time.
pub(super) fn columns(groups: &[&Group], swept: bool, mark: &str) -> Vec<Column> {
    let mut columns: Vec<Column> = Vec::new();
    let mut add = |head: &str, rank: u8, words: bool, cell: &dyn Fn(&Group) -> String| {
        let cells = groups.iter().map(|group| cell(group)).collect();
        columns.push(Column { head: head.to_owned(), cells, words, rank });
    };
    let mean = |group: &Group, name: &str| group.values.get(name).map(|summary| summary.mean);
    let shown = |value: Option<f64>, how: fn(f64) -> String| value.map_or(String::new(), how);
    let size = |name: &'static str| move |group: &Group| shown(mean(group, name), |value| count(value.round() as u64));
    let share = |name: &'static str| {
        move |group: &Group| shown(group.shares.get(name).copied(), |share| format!("{share:.2}x"))
    };
    let decimals = |value: f64| format!("{value:.3}");
    let in_bytes = |value: f64| bytes(value.round() as u64);
    let versus = |group: &Group| group.versus.as_ref().map(|versus| versus.top1);
    let uneven = groups.iter().any(|group| group.uneven);
    let masked = groups.iter().any(|group| mean(group, "masked").is_some_and(|masked| masked > 0.0));
    let classes = groups.iter().map(|group| group.classes).max().unwrap_or(0);

    add("model", 0, true, &|group| group.name.clone());
    let axes: IndexSet<&str> = groups.iter().flat_map(|group| group.axes.keys().map(String::as_str)).collect();
    for axis in &axes {
        add(axis, 0, true, &|group| group.axes.get(*axis).map_or(String::new(), label));
    }
    if swept {
        add("n", 0, false, &|group| group.n.to_string());
    }
    add("top-1", 0, false, &accuracy);
    if uneven {
        add("balanced", 3, false, &|group| shown(mean(group, "balanced-accuracy"), percent));
    }
    add("Δ", 0, false, &|group| versus(group).map_or(String::new(), |versus| difference(&versus)));
    add("p", 4, false, &|group| shown(versus(group).and_then(|versus| versus.p_holm), probability));
    add("rank", 5, false, &|group| shown(group.rank, |rank| format!("{rank:.1}")));
    if classes > 5 {
        add("top-5", 14, false, &|group| shown(mean(group, "top5"), percent));
    }
    add("loss", 13, false, &|group| loss(group));
    add("parameters", 1, false, &size("parameters"));
    add("", 6, false, &share("parameters"));
    if masked || !swept {
        let (rank, of_share) = if masked { (2, 7) } else { (16, 16) };
        add("non-zero", rank, false, &size("nonzeros"));
        add("", of_share, false, &share("nonzeros"));
    }
    add("MACs", 2, false, &size("macs"));
    add("", 8, false, &share("macs"));
    let own: IndexSet<&str> = groups.iter().flat_map(|group| group.values.keys().map(String::as_str)).collect();
    for name in own.into_iter().filter(|name| !MEASURES.contains(name)) {
        let rank = if name == "efficiency" { 11 } else { 1 };
        add(name, rank, false, &|group| shown(mean(group, name), decimals));
    }
    if masked {
        add("dense", 15, false, &|group| shown(mean(group, "dense-bytes"), in_bytes));
    }
    add(if masked { "stored" } else { "bytes" }, 12, false, &|group| shown(mean(group, "bytes"), in_bytes));
    // What a clock says stands last.
    let time = |text: String| if text.is_empty() { text } else { text + mark };
    add("ms/image", 9, false, &|group| time(shown(mean(group, "latency-ms"), decimals)));
    add("images/s", 17, false, &|group| time(size("throughput")(group)));
    // The axes stand behind the name of the model.
    for place in 1..=axes.len() {
        if columns.iter().enumerate().any(|(other, column)| other != place && column.head == columns[place].head) {
            columns[place].head = format!("matrix.{}", columns[place].head);
        }
    }
    columns
}

/// `91.23 ± 0.31 %`; what answers no better than chance says so.
pub(super) fn accuracy(group: &Group) -> String {
    let Some(summary) = group.values.get("top1") else {
        return if group.diverged > 0 { "diverged".to_owned() } else { String::new() };
    };
    let spread = summary.sd.map_or(String::new(), |sd| format!(" ± {:.2}", 100.0 * sd));
    // Those that diverged are not among the n.
    let collapsed = match group.collapsed - group.diverged {
        0 => String::new(),
        all if all == group.networks - group.diverged => " collapsed".to_owned(),
        some => format!(" {some} collapsed"),
    };
    let diverged = if group.diverged > 0 { format!(" {} diverged", group.diverged) } else { String::new() };
    format!("{:.2}{spread} %{collapsed}{diverged}", 100.0 * summary.mean)
}

/// The mean loss with four digits behind the point; one that is huge by its size.
fn loss(group: &Group) -> String {
    match group.values.get("loss").map(|summary| summary.mean) {
        Some(loss) if loss < 1e6 => format!("{loss:.4}"),
        Some(loss) => format!("{loss:.1e}"),
        None if group.diverged > 0 => "not finite".to_owned(),
        None => String::new(),
    }
}

pub(super) fn difference(difference: &Difference) -> String {
    let interval = difference
        .interval
        .map_or(String::new(), |interval| format!(" ({:+.2} to {:+.2})", points(interval.low), points(interval.high)));
    format!("{:+.2}{interval}", points(difference.difference))
}

/// A share in points of which two digits are shown; what they round to nothing is no negative nothing.
fn points(share: f64) -> f64 {
    (1e4 * share).round() / 1e2 + 0.0
}

pub(super) fn probability(p: f64) -> String {
    if p < 0.001 { "<0.001".to_owned() } else { format!("{p:.3}") }
}

pub(super) fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}

/// A value of an axis as `--only` takes it.
pub fn label(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_f64() => number.as_f64().map_or_else(String::new, number_label),
        other => other.to_string(),
    }
}

/// One table for each section whose methods are held against each other.
fn comparisons(all: &[Compared]) -> String {
    let mut out = String::new();
    for compared in all {
        let (title, rows) = comparison(compared);
        let rows = rows.map(|(head, rows)| {
            let mut table = empty();
            table.set_header(head).add_rows(rows);
            format!("{}\n", aligned(table, 1))
        });
        out.push_str(&format!("{title}\n{}", rows.unwrap_or_default()));
    }
    out
}

/// The head and the rows of a table.
type Rows = (Vec<String>, Vec<Vec<String>>);

/// What is said of methods that are held against each other, and their table if some setting has all of them.
pub(super) fn comparison(compared: &Compared) -> (String, Option<Rows>) {
    let title = format!("{} of {} by {}", compared.evaluation, compared.name, compared.axis);
    if compared.methods.iter().all(|method| method.settings == 0 && method.versus.is_none()) {
        let axis = &compared.axis;
        return (format!("{title}: no setting has all values of `{axis}` on the same images, so none is ranked"), None);
    }
    let against = compared.against.as_ref();
    let mut head = vec![compared.axis.clone(), "settings".to_owned(), "mean rank".to_owned(), "best in".to_owned()];
    head.extend(against.iter().flat_map(|against| [format!("Δ to {against}"), "n".to_owned(), "p".to_owned()]));
    let row = |method: &Method| {
        let mut cells = vec![
            method.label.clone(),
            method.settings.to_string(),
            method.rank.map_or(String::new(), |rank| format!("{rank:.2}")),
            method.wins.to_string(),
        ];
        if against.is_some() {
            let versus = method.versus.as_ref();
            cells.push(versus.map_or(String::new(), difference));
            cells.push(versus.map_or(String::new(), |versus| versus.n.to_string()));
            cells.push(versus.and_then(|versus| versus.p_holm).map_or(String::new(), probability));
        }
        cells
    };
    let seeds = if against.is_some() { "; Δ is averaged over settings, seed by seed, and n counts seeds" } else { "" };
    let adjusted = adjusted(compared.methods.iter().filter_map(|method| method.versus.as_ref()));
    let rows = compared.methods.iter().map(row).collect();
    (format!("{title}: ranks by accuracy, 1 is the best{seeds}{adjusted}"), Some((head, rows)))
}

/// Accuracy class by class, one row a model.
fn per_class(evaluation: &Evaluation) -> String {
    let mut table = empty();
    let classes = evaluation.models.first().map_or(0, |row| row.metrics.per_class.len());
    let mut header = vec!["class".to_owned()];
    header.extend((0..classes).map(|class| printable(&evaluation.class(class))));
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

/// A table without lines.
pub(super) fn empty() -> Table {
    let mut table = Table::new();
    table.load_preset(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table
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

/// How many results each section has, of how many that it could have.
pub fn missing(present: &BTreeMap<String, (usize, usize)>) -> String {
    let told = present.iter().filter(|(_, (there, all))| there < all);
    told.map(|(section, (there, all))| format!("{section}: {there} of {all} evaluations are in the store\n")).collect()
}
