//! `pleach report`.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use super::arguments::{self, CsvRows, Global, ReportFormat};
use super::file::{self, Written};
use super::session::{Session, store};
use super::{Failure, output};
use crate::error::{Error, Kind, Result};
use crate::plan::{self, DataDigests, Plan, State};
use crate::report::against::{self, Against};
use crate::report::document::{Document, Source, diverged, document, expectations, histories};
use crate::report::results::{self, Evaluation};
use crate::report::{self, best, bytes, csv, expect, groups, html, markdown, table, training};
use crate::stage::Parameters;
use crate::store::{Record, Store};

/// A manifest with what the store has of it.
pub struct Known<'a> {
    session: &'a Session,
    path: String,
    plan: Plan,
    records: Vec<Option<Record>>,
    evaluations: Vec<Evaluation>,
    store: &'a Store,
}

impl<'a> Known<'a> {
    fn of(session: &'a Session, path: &Path, only: &[String], store: &'a Store) -> Result<Self> {
        let targets = session.targets(&[], only)?;
        let digests = plan::data_digests(&session.manifest, session.graph.order())?;
        Self::of_targets(session, path.display().to_string(), &targets, &digests, store)
    }

    /// Of some of the stages, with the hashes of the data that they read.
    pub fn of_targets(
        session: &'a Session,
        path: String,
        targets: &[usize],
        digests: &DataDigests,
        store: &'a Store,
    ) -> Result<Self> {
        let (manifest, graph) = (&session.manifest, &session.graph);
        let plan = plan::plan(manifest, graph, targets, store, digests, &HashSet::new())?;
        let mut records = vec![None; manifest.stages.len()];
        for planned in &plan.stages {
            if let State::Cached(record) = &planned.state {
                store.mark_used(&record.key);
                records[planned.stage] = Some((**record).clone());
            }
        }
        let evaluations = results::evaluations(manifest, &records, store)?;
        Ok(Self { session, path, plan, records, evaluations, store })
    }

    fn source(&self) -> Source<'_> {
        let Session { manifest, graph } = self.session;
        Source { manifest, path: &self.path, graph, plan: &self.plan, records: &self.records, store: self.store }
    }

    /// How many evaluations of each section there are, of how many.
    fn present(&self) -> BTreeMap<String, (usize, usize)> {
        let mut present: BTreeMap<String, (usize, usize)> = BTreeMap::new();
        for planned in &self.plan.stages {
            let stage = &self.session.manifest.stages[planned.stage];
            if matches!(stage.parameters, Parameters::Evaluate { .. }) {
                let (there, all) = present.entry(stage.template.clone()).or_default();
                (*there, *all) = (*there + usize::from(matches!(planned.state, State::Cached(_))), *all + 1);
            }
        }
        present
    }

    /// All of it as one document.
    pub fn document(&self, details: bool) -> Result<Document> {
        document(&self.source(), &self.evaluations, details)
    }

    /// What can be done where nothing is evaluated.
    fn advice(&self) -> String {
        match self.present().is_empty() {
            true => "add a stage with `kind = \"evaluate\"` to it; `--format csv --rows epochs` has what training saw"
                .to_owned(),
            false => format!("run `pleach run {}`", self.path),
        }
    }

    /// The error of a report that has nothing to show.
    fn nothing(&self) -> Error {
        let error = Error::new(Kind::Input, "the store has no evaluation of this manifest as it stands");
        let name = |stage: usize| self.session.manifest.stages.get_index(stage).expect("in range").0;
        let diverged = self.plan.diverged().take(4).map(|(stage, _)| name(stage));
        let error = diverged
            .fold(error.at(self.store.root()), |error, stage| error.hint(format!("`{stage}` diverged when it ran")));
        error.hint(self.advice())
    }
}

/// Prints the results that are in the store, or writes them to a file.
pub fn report(arguments: &arguments::Report, global: &Global) -> Result<(), Failure> {
    let session = Session::open(&arguments.manifest)?;
    let manifest = &session.manifest;
    let is_against = matches!((arguments.format, arguments.rows), (ReportFormat::Csv, CsvRows::Against));
    if is_against && arguments.against.is_none() {
        let error = Error::new(Kind::Usage, "`--rows against` needs `--against`");
        return Err(error.hint("name a report or a manifest with `--against FILE`").into());
    }
    let store = store(global)?;
    let known = Known::of(&session, &arguments.manifest.path, &arguments.only.only, &store)?;
    let (evaluations, path) = (&known.evaluations, &known.path);
    let source = known.source();
    // Epochs can be looked at before anything is evaluated.
    let has_epochs = match (arguments.format, arguments.rows) {
        (ReportFormat::Csv, CsvRows::Epochs) => true,
        (ReportFormat::Csv, _) => false,
        _ => true,
    };
    let histories = if has_epochs && evaluations.is_empty() { histories(&source)? } else { Vec::new() };
    if evaluations.is_empty() && histories.is_empty() {
        return Err(known.nothing().into());
    }
    let checked = expectations(&source, evaluations);
    let against = arguments.against.as_deref().map(|other| held(&known, other, &store)).transpose()?;
    let text = match arguments.format {
        ReportFormat::Text => {
            table::missing(&known.present()).lines().for_each(output::stderr);
            if evaluations.is_empty() {
                output::warning(&format!("nothing is evaluated yet: {}", known.advice()));
            }
            let columns = arguments.output.is_none().then(output::columns_of_stdout).flatten();
            let extent = table::Extent { columns, ..table::Extent::ALL };
            let best = best::text(&best::best(evaluations, manifest, &checked), path);
            let parts = [
                training::text(&histories),
                table::results(evaluations, manifest, extent),
                report::plan::diverged(&known.plan, manifest),
                against.as_ref().map_or(String::new(), against::text),
                best,
                expect::text(&checked),
            ];
            parts.concat()
        }
        ReportFormat::Markdown => {
            let parts =
                markdown::Parts { evaluations, histories: &histories, checked: &checked, against: against.as_ref() };
            markdown::markdown(&parts, manifest, path)
        }
        ReportFormat::Csv => match arguments.rows {
            CsvRows::Settings => csv::settings(&groups::groups(evaluations, manifest), &diverged(&source), manifest),
            CsvRows::Networks => csv::networks(evaluations, &diverged(&source)),
            CsvRows::Classes => csv::classes(evaluations),
            CsvRows::Epochs => csv::training(&self::histories(&source)?),
            CsvRows::Expectations => csv::expectations(&checked),
            CsvRows::Against => csv::against(against.as_ref().map_or(&[], |against| &against.networks)),
        },
        ReportFormat::Json => {
            let document = Document { against, ..known.document(false)? };
            format!("{}\n", serde_json::to_string_pretty(&document).expect("results are plain data"))
        }
        ReportFormat::Html => {
            let document = Document { against, ..known.document(true)? };
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
    expect::failure(&checked).map_or(Ok(()), |error| Err(error.into()))
}

/// The results held against another report: that in a file, or that of another manifest in the same store.
fn held(known: &Known, other: &Path, store: &Store) -> Result<Against, Failure> {
    let of_document =
        |document: &Document| against::of_json(&serde_json::to_vec(document).expect("results are plain data"));
    let now = of_document(&known.document(false)?)?;
    let before = if other.extension().is_some_and(|extension| extension == "toml") {
        let session = Session::open(&arguments::Manifest { path: other.to_owned(), sets: Vec::new() })?;
        let before = Known::of(&session, other, &[], store)?;
        if before.evaluations.is_empty() {
            return Err(before.nothing().into());
        }
        of_document(&before.document(false)?)?
    } else {
        against::read(other)?
    };
    Ok(Against { report: other.display().to_string(), networks: against::hold(&now, &before) })
}
