//! Results as Markdown, for a comment on a change: expectations first, then the tables, cut so that they fit one comment.

use super::against::{self, Against};
use super::compared::compared;
use super::document::Epochs;
use super::expect::{Checked, Verdict, found, name, tally_in_words};
use super::groups::{Group, groups, is_swept, tables};
use super::results::Evaluation;
use super::table::{MISSED_EASILY, columns, comparison, fitting, title};
use super::times::unlike;
use super::training;
use crate::manifest::Manifest;

/// How many characters a report has at most: GitHub takes 65,536 in a comment, and a bot adds lines of its own.
const CHARACTERS: usize = 60_000;

/// How many characters a row of a table has, as far as columns can be left out.
const WIDTH: usize = 120;

/// Rows of a table; the rest are counted.
const ROWS: usize = 50;

/// What a comment is made from.
pub struct Parts<'a> {
    /// The results.
    pub evaluations: &'a [Evaluation],
    /// What training came to, where nothing is evaluated yet.
    pub histories: &'a [Epochs],
    /// What `[expect]` says of the results.
    pub checked: &'a [Checked],
    /// The results held against others.
    pub against: Option<&'a Against>,
}

/// The results and what `[expect]` says of them. `path` is the manifest's.
pub fn markdown(of: &Parts, manifest: &Manifest, path: &str) -> String {
    let Parts { evaluations, histories, checked: expectations, against } = *of;
    let mut out = format!("## {}\n\n", escaped(&manifest.pipeline.name));
    if !expectations.is_empty() {
        let mut sorted: Vec<&Checked> = expectations.iter().collect();
        // What needs somebody's attention stands first.
        sorted.sort_by_key(|checked| match checked.verdict {
            Verdict::Fail => 0,
            Verdict::Undecided => 1,
            Verdict::Pass => 2,
            Verdict::NotAsked => 3,
        });
        out.push_str(&format!("**Expectations: {}**\n\n", tally_in_words(expectations)));
        let row = |checked: &&Checked| {
            let word = checked.verdict.word();
            let word = if checked.verdict == Verdict::Pass { word.to_owned() } else { format!("**{word}**") };
            let because = checked.because.as_deref().unwrap_or_default();
            let cells = [&name(checked), &checked.measure, &checked.expected, &found(checked), because];
            std::iter::once(word).chain(cells.into_iter().map(escaped)).collect()
        };
        let head = ["", "network", "measure", "expected", "is", ""].map(str::to_owned);
        out.push_str(&table(&head, &[true; 6], &sorted.iter().map(row).collect::<Vec<_>>()));
    }
    let mut parts = Vec::new();
    if !histories.is_empty() {
        let (head, rows) = training::rows(histories);
        let words: Vec<bool> = (0..head.len()).map(|column| column < 2).collect();
        parts.push(table(&head, &words, &escaped_rows(&rows)));
    }
    if let Some(against) = against {
        let (head, rows) = against::rows(&against.networks);
        let words = vec![true; head.len()];
        parts.push(format!("{}\n\n{}", escaped(&against::title(against)), table(&head, &words, &escaped_rows(&rows))));
    }
    let groups = groups(evaluations, manifest);
    let swept = is_swept(evaluations);
    let unlike = unlike(evaluations);
    for members in tables(&groups) {
        let first = members[0];
        let is_unlike = unlike.iter().any(|other| other.evaluation == first.evaluation && other.split == first.split);
        parts.push(results(&members, swept, is_unlike));
    }
    for compared in compared(evaluations, manifest) {
        let (title, table_of) = comparison(&compared);
        let rows = table_of.map(|(head, rows)| {
            let words: Vec<bool> = (0..head.len()).map(|column| column == 0).collect();
            table(&head, &words, &escaped_rows(&rows))
        });
        parts.push(format!("{}\n\n{}", escaped(&title), rows.unwrap_or_default()));
    }
    let more = format!("\nThe rest is in `pleach report {}`.\n", path.replace('`', ""));
    for part in parts {
        if out.chars().count() + part.chars().count() + more.chars().count() > CHARACTERS {
            out.push_str(&more);
            break;
        }
        out.push_str(&part);
    }
    out
}

/// One table of results.
fn results(members: &[&Group], swept: bool, is_unlike: bool) -> String {
    let (columns, _) = fitting(columns(members, swept, if is_unlike { "*" } else { "" }), WIDTH, MISSED_EASILY);
    let heads: Vec<String> = columns.iter().map(|column| escaped(&column.head)).collect();
    let words: Vec<bool> = columns.iter().map(|column| column.words).collect();
    let rows: Vec<Vec<String>> =
        (0..members.len()).map(|row| columns.iter().map(|column| column.cells[row].clone()).collect()).collect();
    let note = if is_unlike { "\\* times under unlike conditions, not to be compared\n\n" } else { "" };
    format!("{}\n\n{}{note}", escaped(&title(members)), table(&heads, &words, &escaped_rows(&rows)))
}

fn escaped_rows(rows: &[Vec<String>]) -> Vec<Vec<String>> {
    rows.iter().map(|row| row.iter().map(|cell| escaped(cell)).collect()).collect()
}

/// A table in the form that GitHub and GitLab show: words to the left, numbers to the right.
fn table(head: &[String], words: &[bool], rows: &[Vec<String>]) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let rules: Vec<String> = words.iter().map(|is_word| if *is_word { "---" } else { "---:" }.to_owned()).collect();
    let mut out = format!("{}{}", line(head), line(&rules));
    out.extend(rows.iter().take(ROWS).map(|row| line(row)));
    if rows.len() > ROWS {
        out.push_str(&format!("\n… and {} more\n", rows.len() - ROWS));
    }
    out.push('\n');
    out
}

/// Text that is shown as it is: no sign of Markdown or HTML, no mention of a person or a number of an issue.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '@' => out.push_str("&#64;"),
            '#' => out.push_str("&#35;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\\' | '|' | '`' | '*' | '_' | '[' | ']' | '~' | '$' => out.extend(['\\', c]),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_shown_and_do_nothing() {
        let hostile = "a|b\n`<img>` @someone #1 [x](y) *z* & \\|";
        assert_eq!(escaped(hostile), "a\\|b \\`&lt;img&gt;\\` &#64;someone &#35;1 \\[x\\](y) \\*z\\* &amp; \\\\\\|");
    }

    #[test]
    fn a_long_table_is_cut() {
        let rows: Vec<Vec<String>> = (0..ROWS + 7).map(|n| vec![n.to_string()]).collect();
        let table = table(&["n".to_owned()], &[false], &rows);
        assert!(
            table.starts_with("| n |\n| ---: |\n| 0 |\n") && table.ends_with("| 49 |\n\n… and 7 more\n\n"),
            "{table}"
        );
    }
}
