//! A sweep as tables.

use std::collections::BTreeMap;

use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};
use indexmap::IndexSet;
use serde_json::Value;

use super::count;
use super::results::Evaluation;
use super::statistics::Difference;
use super::sweep::{Compared, Group};
use super::table::aligned;
use crate::manifest::matrix::number_label;

/// One table for each section that evaluates: a row for each group, with the mean and the standard deviation over what
/// was taken together.
pub fn groups(groups: &[Group], evaluations: &[Evaluation]) -> String {
    let sections: IndexSet<&str> = groups.iter().map(|group| group.evaluation.as_str()).collect();
    let mut out = String::new();
    for section in sections {
        let members: Vec<&Group> = groups.iter().filter(|group| group.evaluation == section).collect();
        let Some(evaluation) = evaluations.iter().find(|evaluation| evaluation.template == section) else { continue };
        let against = members.iter().find_map(|group| group.versus.as_ref());
        let against = against.map_or(String::new(), |versus| {
            format!("; Δ and x are against {}, Δ pair by pair with its 95 % interval", versus.name)
        });
        let images = count(evaluation.images);
        out.push_str(&format!(
            "{section}: {images} {} images of {}; mean ± standard deviation of n{against}\n{}\n",
            evaluation.split,
            evaluation.data,
            table(&members)
        ));
    }
    out
}

fn table(groups: &[&Group]) -> String {
    let axes: IndexSet<&str> = groups.iter().flat_map(|group| group.axes.keys().map(String::as_str)).collect();
    let own: IndexSet<&str> = groups.iter().flat_map(|group| group.own()).collect();
    let has = |which: fn(&&&Group) -> bool| groups.iter().any(|group| which(&group));
    let masked = has(|group| group.values.get("masked").is_some_and(|masked| masked.mean > 0.0));
    let (versus, ranked) = (has(|group| group.versus.is_some()), has(|group| group.rank.is_some()));
    let shares = has(|group| !group.shares.is_empty());
    let mut headers: Vec<&str> = vec!["model"];
    headers.extend(&axes);
    headers.extend(["n", "top-1"]);
    headers.extend(if versus { &["Δ", "p"][..] } else { &[] });
    headers.extend(ranked.then_some("rank"));
    headers.push("parameters");
    headers.extend(shares.then_some(""));
    headers.extend(if masked { &["non-zero", ""][..usize::from(shares) + 1] } else { &[] });
    headers.push("MACs");
    headers.extend(shares.then_some(""));
    headers.extend(["ms/image"]);
    headers.extend(&own);
    let mut table = Table::new();
    table.load_preset(NOTHING).set_content_arrangement(ContentArrangement::Disabled).set_header(headers);
    for group in groups {
        let mean = |name: &str| group.values.get(name).map(|summary| summary.mean);
        let share = |name: &str| group.shares.get(name).map_or(String::new(), |share| format!("{share:.2}x"));
        let size = |name: &str| mean(name).map_or(String::new(), |value| count(value.round() as u64));
        let mut cells = vec![group.name.clone()];
        cells.extend(axes.iter().map(|axis| group.axes.get(*axis).map_or(String::new(), label)));
        cells.push(group.values.get("top1").map_or(0, |summary| summary.count).to_string());
        cells.push(accuracy(group));
        if versus {
            let versus = group.versus.as_ref().map(|versus| &versus.top1);
            cells.push(versus.map_or(String::new(), difference));
            cells.push(versus.and_then(|versus| versus.p).map_or(String::new(), probability));
        }
        if ranked {
            cells.push(group.rank.map_or(String::new(), |rank| format!("{rank:.1}")));
        }
        cells.push(size("parameters"));
        cells.extend(shares.then(|| share("parameters")));
        if masked {
            cells.push(size("nonzeros"));
            cells.extend(shares.then(|| share("nonzeros")));
        }
        cells.push(size("macs"));
        cells.extend(shares.then(|| share("macs")));
        cells.push(mean("latency-ms").map_or(String::new(), |latency| format!("{latency:.3}")));
        cells.extend(own.iter().map(|name| mean(name).map_or(String::new(), |value| format!("{value:.3}"))));
        table.add_row(cells);
    }
    aligned(table, 1 + axes.len())
}

impl Group {
    /// The measures that are shown behind the others: the efficiency, and what the manifest defines.
    fn own(&self) -> impl Iterator<Item = &str> {
        let known = crate::stage::evaluate::MEASURES;
        self.values.keys().map(String::as_str).filter(move |name| !known.contains(name))
    }
}

/// `91.23 ± 0.31 %`; what answers no better than chance says so.
fn accuracy(group: &Group) -> String {
    let Some(summary) = group.values.get("top1") else {
        return if group.diverged > 0 { "diverged".to_owned() } else { String::new() };
    };
    let spread = summary.sd.map_or(String::new(), |sd| format!(" ± {:.2}", 100.0 * sd));
    // Those that diverged are not among the n.
    let collapsed = match group.collapsed - group.diverged {
        0 => String::new(),
        all if all == summary.count => " collapsed".to_owned(),
        some => format!(" {some} collapsed"),
    };
    let diverged = if group.diverged > 0 { format!(" {} diverged", group.diverged) } else { String::new() };
    format!("{:.2}{spread} %{collapsed}{diverged}", 100.0 * summary.mean)
}

fn difference(difference: &Difference) -> String {
    let interval = difference
        .interval
        .map_or(String::new(), |interval| format!(" ({:+.2} to {:+.2})", points(interval.low), points(interval.high)));
    format!("{:+.2}{interval}", points(difference.difference))
}

/// A share in points of which two digits are shown; what they round to nothing is no negative nothing.
fn points(share: f64) -> f64 {
    (1e4 * share).round() / 1e2 + 0.0
}

fn probability(p: f64) -> String {
    if p < 0.001 { "<0.001".to_owned() } else { format!("{p:.3}") }
}

fn label(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.as_f64().map_or_else(|| number.to_string(), number_label),
        other => other.to_string(),
    }
}

/// One table for each section whose methods are held against each other.
pub fn compared(all: &[Compared]) -> String {
    let mut out = String::new();
    for compared in all {
        let mut table = Table::new();
        let against = compared.against.as_ref();
        let mut headers =
            vec![compared.axis.clone(), "settings".to_owned(), "mean rank".to_owned(), "best in".to_owned()];
        headers
            .extend(against.iter().flat_map(|against| [format!("Δ to {against}"), "pairs".to_owned(), "p".to_owned()]));
        table.load_preset(NOTHING).set_content_arrangement(ContentArrangement::Disabled).set_header(headers);
        for method in &compared.methods {
            let mut cells = vec![
                method.label.clone(),
                method.settings.to_string(),
                method.rank.map_or(String::new(), |rank| format!("{rank:.2}")),
                method.wins.to_string(),
            ];
            if against.is_some() {
                let versus = method.versus.as_ref();
                cells.push(versus.map_or(String::new(), difference));
                cells.push(versus.map_or(String::new(), |versus| versus.pairs.to_string()));
                cells.push(versus.and_then(|versus| versus.p).map_or(String::new(), probability));
            }
            table.add_row(cells);
        }
        let title = format!("{} of {} by {}", compared.evaluation, compared.name, compared.axis);
        out.push_str(&format!("{title}: ranks by accuracy, 1 is the best\n{}\n", aligned(table, 1)));
    }
    out
}

/// The groups as comma-separated values: every measure with its mean, deviation and interval.
pub fn csv(groups: &[Group]) -> String {
    let axes: IndexSet<&str> = groups.iter().flat_map(|group| group.axes.keys().map(String::as_str)).collect();
    let measures: IndexSet<&str> = groups.iter().flat_map(|group| group.values.keys().map(String::as_str)).collect();
    let mut writer = csv::Writer::from_writer(Vec::new());
    let parts = ["", "-sd", "-low", "-high"];
    let mut head: Vec<String> = vec!["evaluation".to_owned(), "model".to_owned()];
    head.extend(axes.iter().map(|axis| (*axis).to_owned()));
    head.extend(["n", "collapsed", "diverged"].map(str::to_owned));
    head.extend(measures.iter().flat_map(|name| parts.map(|part| format!("{name}{part}"))));
    head.extend(["difference", "difference-low", "difference-high", "p", "rank"].map(str::to_owned));
    let mut records = vec![head];
    for group in groups {
        let number = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
        let mut record = vec![group.evaluation.clone(), group.name.clone()];
        record.extend(axes.iter().map(|axis| group.axes.get(*axis).map_or(String::new(), label)));
        record.push(group.values.get("top1").map_or(0, |summary| summary.count).to_string());
        record.push(group.collapsed.to_string());
        record.push(group.diverged.to_string());
        for name in &measures {
            let summary = group.values.get(*name);
            let interval = summary.and_then(|summary| summary.interval);
            let of = [
                summary.map(|summary| summary.mean),
                summary.and_then(|summary| summary.sd),
                interval.map(|interval| interval.low),
                interval.map(|interval| interval.high),
            ];
            record.extend(of.map(number));
        }
        let versus = group.versus.as_ref().map(|versus| &versus.top1);
        let interval = versus.and_then(|versus| versus.interval);
        let of = [
            versus.map(|versus| versus.difference),
            interval.map(|interval| interval.low),
            interval.map(|interval| interval.high),
            versus.and_then(|versus| versus.p),
            group.rank,
        ];
        record.extend(of.map(number));
        records.push(record);
    }
    for record in records {
        writer.write_record(&record).expect("memory takes every record of one length");
    }
    String::from_utf8(writer.into_inner().expect("memory takes everything")).expect("cells are text")
}

/// How many results each section has, of how many that it could have.
pub fn missing(present: &BTreeMap<String, (usize, usize)>) -> String {
    let told = present.iter().filter(|(_, (there, all))| there < all);
    told.map(|(section, (there, all))| format!("{section}: {there} of {all} evaluations are in the store\n")).collect()
}
