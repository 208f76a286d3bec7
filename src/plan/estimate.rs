//! How long what a plan runs will take, by what like stages took on this machine.
//!
//! A stage takes its multiply-adds (`stage::work`) times the seconds that one took in results of the same section, else of
//! the same kind, whose epochs compute about as much: small networks take longer for a multiply-add than large ones. Where
//! there is no such result of this machine, a multiply-add takes what is measured just now, and an epoch what results of the
//! kind took beyond that. Epochs that are in the store are not counted. How far off estimates from like results were so far
//! is found by estimating every result in the store from those before it.

use std::collections::HashMap;
use std::rc::Rc;

use super::{Plan, Planned, State, label};
use crate::manifest::Manifest;
use crate::manifest::matrix::template_of;
use crate::network::Graph;
use crate::network::arch::Architecture;
use crate::stage::Parameters;
use crate::stage::work::{Images, Work, work};
use crate::store::{Record, Store};

/// What results have to have been made on to count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// The processor's name.
    pub processor: String,
    /// The device, as records name it.
    pub device: String,
}

/// How long a plan takes, one stage after the other.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Estimate {
    /// Seconds of the stages that run.
    pub run: f64,
    /// Seconds of those that may.
    pub maybe: f64,
    /// Stages of which nothing is known.
    pub unknown: usize,
    /// How many results of this machine it is made from.
    pub results: usize,
    /// The factor by which estimates of these were off, larger or smaller: half of their seconds are of results that were
    /// closer. `None` when there are not two to compare.
    pub factor: Option<f64>,
    /// Whether more of it is from a measurement than from results.
    pub measured: bool,
}

/// Seconds and multiply-adds of results together.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    seconds: f64,
    work: f64,
    count: usize,
}

impl Sum {
    /// Seconds of so many multiply-adds; of what does not say how many, the mean.
    fn seconds(&self, work: u64) -> f64 {
        match work {
            0 => self.seconds / self.count as f64,
            _ if self.work == 0.0 => self.seconds / self.count as f64,
            work => work as f64 * self.seconds / self.work,
        }
    }

    fn add(&mut self, seconds: f64, work: u64) {
        *self = Self { seconds: self.seconds + seconds, work: self.work + work as f64, count: self.count + 1 };
    }
}

/// What is known of a machine's speed.
#[derive(Debug, Default)]
struct Rates {
    /// By section (empty: of all), kind, and the size of an epoch.
    like: HashMap<(String, String, u32), Sum>,
    /// By kind, the seconds and the multiply-adds of an epoch of each result.
    epochs: HashMap<String, Vec<(f64, f64)>>,
}

/// What an epoch computes, as one of few classes: in each all are within a factor of four.
fn size(work: u64, epochs: u64) -> u32 {
    (work / epochs.max(1)).max(1).ilog2() / 2
}

impl Rates {
    /// Seconds by like results: of the section, else of the kind, with epochs of the same size, else of one next to it.
    fn like(&self, section: &str, kind: &str, work: u64, epochs: u64) -> Option<f64> {
        let own = size(work, epochs);
        let sizes = [Some(own), own.checked_sub(1), own.checked_add(1)];
        let mut places = [section, ""].into_iter().flat_map(|section| sizes.map(|size| (section, size)));
        places.find_map(|(section, size)| {
            let sum = self.like.get(&(section.to_owned(), kind.to_owned(), size?))?;
            Some(sum.seconds(work))
        })
    }

    /// Seconds at so many multiply-adds in a second, and what an epoch took in results of the kind beyond its own: the median.
    fn at(&self, rate: f64, kind: &str, work: u64, epochs: u64) -> f64 {
        let known = self.epochs.get(kind).map_or(&[][..], Vec::as_slice);
        let mut beyond: Vec<f64> = known.iter().map(|(seconds, work)| (seconds - work / rate).max(0.0)).collect();
        beyond.sort_by(f64::total_cmp);
        work as f64 / rate + epochs.max(1) as f64 * beyond.get(beyond.len() / 2).copied().unwrap_or(0.0)
    }

    fn add(&mut self, result: &Observed) {
        let epochs = result.epochs.max(1) as f64;
        self.epochs
            .entry(result.kind.clone())
            .or_default()
            .push((result.seconds / epochs, result.work as f64 / epochs));
        for section in [&result.section[..], ""] {
            let key = (section.to_owned(), result.kind.clone(), size(result.work, result.epochs));
            self.like.entry(key).or_default().add(result.seconds, result.work);
        }
    }
}

/// A result, as far as it says something about time.
struct Observed {
    section: String,
    kind: String,
    seconds: f64,
    work: u64,
    /// 0 where there are none.
    epochs: u64,
    created: u64,
}

impl Observed {
    fn of(record: &Record, machine: &Machine) -> Option<Self> {
        let told = &record.provenance;
        let same = told["processor"].as_str()? == machine.processor && told["device"].as_str()? == machine.device;
        let field = |name: &str| record.fields.iter().find(|(field, _)| field == name).map(|(_, value)| &value[..]);
        let kind = field("kind")?;
        let epochs = field("epochs").and_then(|value| value.parse().ok()).unwrap_or(0);
        let (seconds, work) = (told["seconds"].as_f64()?, told["work"].as_u64()?);
        let (section, kind) = (template_of(&record.label).to_owned(), kind.trim_matches('"').to_owned());
        same.then_some(Self { section, kind, seconds, work, epochs, created: record.created })
    }
}

/// A stage that no result in the store is like.
struct Unlike<'a> {
    /// Its network, if it makes one.
    graph: Option<Rc<Graph>>,
    kind: &'a str,
    work: u64,
    epochs: u64,
    /// Whether it is sure to run.
    is_sure: bool,
}

/// Estimates `plan`. `measure` says how many multiply-adds of a network this machine does in a second; it is asked at most
/// once, and only where no result of this machine is like a stage.
pub fn estimate(
    manifest: &Manifest,
    plan: &Plan,
    store: &Store,
    machine: &Machine,
    measure: &dyn Fn(&Graph) -> Option<f64>,
) -> Estimate {
    let runs = |planned: &&Planned| !matches!(planned.state, State::Cached(_)) && planned.same.is_none();
    if !plan.stages.iter().any(|planned| runs(&planned)) {
        return Estimate::default();
    }
    let of_stages = store.records().filter(|record| record.kind == "stage");
    let mut observed: Vec<Observed> = of_stages.filter_map(|record| Observed::of(&record, machine)).collect();
    observed.sort_by_key(|result| result.created);
    let (rates, factor) = learnt(&observed);
    let mut estimate = Estimate { results: observed.len(), factor, ..Estimate::default() };
    let results: HashMap<usize, &Record> = plan
        .stages
        .iter()
        .filter_map(|planned| match &planned.state {
            State::Cached(record) => Some((planned.stage, &**record)),
            _ => None,
        })
        .collect();
    let records = |stage: usize| results.get(&stage).copied();
    let mut graphs = Graphs::new(manifest, store, &records);
    let mut unlike: Vec<Unlike> = Vec::new();
    for planned in &plan.stages {
        if matches!(planned.state, State::Cached(_)) {
            continue;
        }
        let stage = &manifest.stages[planned.stage];
        let graph = graphs.of(planned.stage);
        if !runs(&planned) {
            continue;
        }
        let work = graphs.work(planned.stage);
        let done = planned.reach.map_or(0, |reach| reach.after);
        let epochs = work.epochs.saturating_sub(done);
        let left = work.of(epochs);
        let is_sure = matches!(planned.state, State::Run(_));
        let section = template_of(&label(manifest, planned.stage)).to_owned();
        let kind = stage.parameters.kind();
        let seconds = rates.like(&section, kind, left, epochs);
        match seconds {
            Some(seconds) if is_sure => estimate.run += seconds,
            Some(seconds) => estimate.maybe += seconds,
            None if left == 0 => {}
            None => unlike.push(Unlike { graph, kind, work: left, epochs, is_sure }),
        }
    }
    if unlike.is_empty() {
        return estimate;
    }
    let largest = unlike.iter().filter(|stage| stage.graph.is_some()).max_by_key(|stage| stage.work);
    let Some(rate) = largest.and_then(|stage| measure(stage.graph.as_ref()?)) else {
        estimate.unknown += unlike.len();
        return estimate;
    };
    let by_results = estimate.run + estimate.maybe;
    for stage in unlike {
        let seconds = rates.at(rate, stage.kind, stage.work, stage.epochs);
        *(if stage.is_sure { &mut estimate.run } else { &mut estimate.maybe }) += seconds;
    }
    estimate.measured = estimate.run + estimate.maybe > 2.0 * by_results;
    estimate
}

/// What results say, and the factor by which each was off when it was estimated from those before it.
fn learnt(observed: &[Observed]) -> (Rates, Option<f64>) {
    let mut rates = Rates::default();
    let mut factors: Vec<(f64, f64)> = Vec::new();
    for result in observed {
        if let Some(estimated) = rates.like(&result.section, &result.kind, result.work, result.epochs)
            && estimated > 0.0
            && result.seconds > 0.0
        {
            let factor = estimated / result.seconds;
            factors.push((factor.max(1.0 / factor), result.seconds));
        }
        rates.add(result);
    }
    factors.sort_by(|a, b| a.0.total_cmp(&b.0));
    let half = factors.iter().map(|(_, seconds)| seconds).sum::<f64>() / 2.0;
    let mut seconds = 0.0;
    let median = factors.iter().find(|(_, of)| {
        seconds += of;
        seconds >= half
    });
    (rates, median.map(|(factor, _)| *factor))
}

/// The graphs of the networks that stages make, and what follows of them: read from results, or built as the manifest says.
pub struct Graphs<'a> {
    manifest: &'a Manifest,
    store: &'a Store,
    /// The results that are there.
    records: &'a dyn Fn(usize) -> Option<&'a Record>,
    /// By architecture, shape of images and number of classes.
    built: HashMap<String, Option<Rc<Graph>>>,
    known: HashMap<usize, Option<Rc<Graph>>>,
}

impl<'a> Graphs<'a> {
    /// Of the stages that have results in `records`, and of those whose inputs were asked for before.
    pub fn new(manifest: &'a Manifest, store: &'a Store, records: &'a dyn Fn(usize) -> Option<&'a Record>) -> Self {
        Self { manifest, store, records, built: HashMap::new(), known: HashMap::new() }
    }

    /// Of the network that a stage makes, or before it is pruned; none of an evaluation.
    pub fn of(&mut self, stage: usize) -> Option<Rc<Graph>> {
        if let Some(known) = self.known.get(&stage) {
            return known.clone();
        }
        let graph = match (self.records)(stage) {
            Some(record) => self.stored(record),
            None => self.expected(stage),
        };
        self.known.insert(stage, graph.clone());
        graph
    }

    fn stored(&self, record: &Record) -> Option<Rc<Graph>> {
        let bytes = self.store.get(&record.outputs.get("network")?.digest).ok()??;
        Graph::from_json(&bytes).ok().map(Rc::new)
    }

    fn expected(&mut self, stage: usize) -> Option<Rc<Graph>> {
        let definition = &self.manifest.stages[stage];
        match &definition.parameters {
            Parameters::Train { network: Some(network), .. }
            | Parameters::Distill { network: Some(network), .. }
            | Parameters::Import { network: Some(network), .. } => {
                let outline = self.manifest.data[definition.data.as_ref()?].outline.as_ref()?;
                self.build(network, outline.shape, outline.classes)
            }
            Parameters::Train { .. } | Parameters::Distill { .. } | Parameters::Import { .. } => {
                self.input(stage, "like")
            }
            Parameters::Regularize { .. } | Parameters::FineTune { .. } | Parameters::Prune { .. } => {
                self.input(stage, "from")
            }
            Parameters::Evaluate { .. } => None,
        }
    }

    fn build(&mut self, network: &Architecture, shape: [usize; 3], classes: usize) -> Option<Rc<Graph>> {
        let key = format!("{}{shape:?}{classes}", serde_json::to_string(network).ok()?);
        let build = || network.build(shape, classes).ok().map(Rc::new);
        self.built.entry(key).or_insert_with(build).clone()
    }

    fn input(&mut self, stage: usize, role: &str) -> Option<Rc<Graph>> {
        let input = &self.manifest.stages[stage].inputs.get(role)?.stage;
        let input = self.manifest.stages.get_index_of(input)?;
        match (self.records)(input) {
            Some(_) => self.of(input),
            // Chains are long: what has no result was asked for before, or is not known.
            None => self.known.get(&input).cloned().flatten(),
        }
    }

    /// What a stage computes.
    pub fn work(&mut self, stage: usize) -> Work {
        let definition = &self.manifest.stages[stage];
        let data = definition.data.as_ref().map(|name| &self.manifest.data[name]);
        let images = data.and_then(|data| Some(Images::of(data.outline.as_ref()?, data.validation, data.limit)));
        let macs = |graph: Option<Rc<Graph>>| graph.map_or(0, |graph| graph.macs());
        let (own, teacher) = (macs(self.before(stage)), macs(self.input(stage, "teacher")));
        let models: u64 = match definition.parameters {
            Parameters::Evaluate { .. } => definition.inputs.keys().map(|role| macs(self.input(stage, role))).sum(),
            _ => 0,
        };
        let of_role = |role: &str| match role {
            "network" => own,
            "teacher" => teacher,
            _ => models,
        };
        work(&definition.parameters, images.unwrap_or_default(), &of_role)
    }

    /// The network that a stage begins with.
    fn before(&mut self, stage: usize) -> Option<Rc<Graph>> {
        match self.manifest.stages[stage].inputs.contains_key("from") {
            true => self.input(stage, "from"),
            false => self.expected(stage),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observed(kind: &str, section: &str, seconds: f64, work: u64, created: u64) -> Observed {
        Observed { section: section.to_owned(), kind: kind.to_owned(), seconds, work, epochs: 1, created }
    }

    #[test]
    fn the_same_section_counts_before_the_same_kind() {
        let all = [observed("train", "p/a", 10.0, 100, 1), observed("train", "p/b", 1.0, 100, 2)];
        let (rates, _) = learnt(&all);
        assert_eq!(rates.like("p/a", "train", 50, 1), Some(5.0));
        assert_eq!(rates.like("p/c", "train", 200, 1), Some(11.0));
        assert_eq!(rates.like("p/a", "prune", 110, 1), None);
        let (rates, _) = learnt(&[observed("prune", "p/a", 10.0, 0, 1)]);
        assert_eq!(rates.like("p/a", "prune", 0, 0), Some(10.0), "what computes nothing takes what it took");
    }

    #[test]
    fn a_larger_network_takes_what_is_measured_and_not_what_a_small_one_took() {
        // An epoch of a tiny network is all overhead: 0.1 s, and a thousand multiply-adds.
        let mut tiny = observed("train", "p/a", 1.0, 10_000, 1);
        tiny.epochs = 10;
        let (rates, _) = learnt(&[tiny]);
        assert_eq!(rates.like("p/a", "train", 1_000_000_000, 10), None);
        let seconds = rates.at(1e9, "train", 1_000_000_000, 10);
        assert!((seconds - 2.0).abs() < 1e-3, "{seconds}");
        assert_eq!(rates.at(1e9, "evaluate", 1_000_000_000, 0), 1.0, "nothing is known of that kind");
    }

    #[test]
    fn the_error_so_far_is_that_of_estimates_from_what_was_before() {
        assert_eq!(learnt(&[observed("train", "p/a", 1.0, 100, 1)]).1, None);
        // 200 would take 2 s and took 4; then 300 multiply-adds took 5 s, so 100 take 5/3, and took 1.
        let all = [
            observed("train", "p/a", 1.0, 100, 1),
            observed("train", "p/a", 4.0, 200, 2),
            observed("train", "p/a", 1.0, 100, 3),
        ];
        assert_eq!(learnt(&all).1, Some(2.0), "most seconds were off by two");
    }
}
