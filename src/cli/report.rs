//! `pleach report`.

use std::collections::{BTreeMap, HashSet};

use super::arguments::{self, CsvRows, Global, ReportFormat};
use super::file::{self, Written};
use super::session::{Session, store};
use super::{Failure, output};
use crate::error::{Error, Kind};
use crate::plan::{self, State};
use crate::report::document::{Source, diverged, document, histories};
use crate::report::{self, bytes, csv, groups, html, results, table};
use crate::stage::Parameters;

/// Prints the results that are in the store, or writes them to a file.
pub fn report(arguments: &arguments::Report, global: &Global) -> Result<(), Failure> {
    let session = Session::open(&arguments.manifest)?;
    let (manifest, graph) = (&session.manifest, &session.graph);
    let targets = session.targets(&[], &arguments.only.only)?;
    let store = store(global)?;
    let digests = plan::data_digests(manifest, graph.order())?;
    let plan = plan::plan(manifest, graph, &targets, &store, &digests, &HashSet::new())?;
    let mut records = vec![None; manifest.stages.len()];
    // How many evaluations of each section there are, of how many.
    let mut present: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for planned in &plan.stages {
        let stage = &manifest.stages[planned.stage];
        let is_there = matches!(planned.state, State::Cached(_));
        if matches!(stage.parameters, Parameters::Evaluate { .. }) {
            let (there, all) = present.entry(stage.template.clone()).or_default();
            (*there, *all) = (*there + usize::from(is_there), *all + 1);
        }
        if let State::Cached(record) = &planned.state {
            store.mark_used(&record.key);
            records[planned.stage] = Some((**record).clone());
        }
    }
    let evaluations = results::evaluations(manifest, &records, &store)?;
    let path = arguments.manifest.path.display().to_string();
    let source = Source { manifest, path: &path, graph, plan: &plan, records: &records, store: &store };
    // Epochs can be looked at before anything is evaluated.
    let has_epochs = match (arguments.format, arguments.rows) {
        (ReportFormat::Json | ReportFormat::Html, _) | (ReportFormat::Csv, CsvRows::Epochs) => true,
        (ReportFormat::Text | ReportFormat::Csv, _) => false,
    };
    if evaluations.is_empty() && (!has_epochs || histories(&source)?.is_empty()) {
        let error = Error::new(Kind::Input, "the store has no evaluation of this manifest as it stands");
        let hint = match present.is_empty() {
            true => "add a stage with `kind = \"evaluate\"` to it; `--format csv --rows epochs` has what training saw"
                .to_owned(),
            false => format!("run `pleach run {path}`"),
        };
        let diverged = plan.diverged().take(4).map(|(stage, _)| manifest.stages.get_index(stage).expect("in range").0);
        let error =
            diverged.fold(error.at(store.root()), |error, stage| error.hint(format!("`{stage}` diverged when it ran")));
        return Err(error.hint(hint).into());
    }
    let text = match arguments.format {
        ReportFormat::Text => {
            table::missing(&present).lines().for_each(output::stderr);
            let columns = arguments.output.is_none().then(output::columns_of_stdout).flatten();
            let extent = table::Extent { columns, ..table::Extent::ALL };
            format!("{}{}", table::results(&evaluations, manifest, extent), report::plan::diverged(&plan, manifest))
        }
        ReportFormat::Csv => match arguments.rows {
            CsvRows::Settings => csv::settings(&groups::groups(&evaluations, manifest), &diverged(&source), manifest),
            CsvRows::Networks => csv::networks(&evaluations, &diverged(&source)),
            CsvRows::Classes => csv::classes(&evaluations),
            CsvRows::Epochs => csv::training(&histories(&source)?),
        },
        ReportFormat::Json => {
            let document = document(&source, &evaluations, false)?;
            format!("{}\n", serde_json::to_string_pretty(&document).expect("results are plain data"))
        }
        ReportFormat::Html => {
            let document = document(&source, &evaluations, true)?;
            html::page(&serde_json::to_string(&document).expect("results are plain data"))
        }
    };
    match &arguments.output {
        Some(path) => {
            if file::write(path, text.as_bytes())? == Written::There {
                output::stdout(&format!("{}: the report, {}\n", path.display(), bytes(text.len() as u64)));
            }
        }
        None if matches!(arguments.format, ReportFormat::Text) => output::stdout(&output::results(&text)),
        None => output::stdout(&text),
    }
    Ok(())
}
