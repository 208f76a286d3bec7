//! How far a run is: a function of its events and of how long like stages took before.

use std::collections::HashMap;
use std::time::Instant;

use indexmap::IndexMap;
use serde::Serialize;

use super::Event;
use crate::manifest::Manifest;
use crate::plan::label;
use crate::store::Store;

/// The state of a run.
#[derive(Debug)]
pub struct Status {
    /// By name, in the order of the manifest.
    pub stages: IndexMap<String, StageStatus>,
    /// Seconds that stages of a section took, by the section's name: how many, and together.
    took: HashMap<String, (usize, f64)>,
    jobs: usize,
    /// Whether the run is over.
    pub over: bool,
}

/// The state of one stage.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct StageStatus {
    /// Its section.
    pub template: String,
    /// Its kind.
    pub kind: &'static str,
    /// Where it is.
    pub state: Progress,
    /// The share that is done, of a stage that tells.
    pub share: f64,
    /// The epoch that runs or ran last, and how many there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epoch: Option<[u64; 2]>,
    /// The losses told so far: every epoch's, then that of the last step.
    pub losses: Vec<f64>,
    /// The accuracy of every epoch: on the validation split if there is one, else in training.
    pub accuracies: Vec<f64>,
    /// Whether `accuracies` are of the validation split.
    pub validated: bool,
    /// Training speed, images a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub images_per_second: Option<f64>,
    /// How long it took; of one that runs, so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// What went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// When it began, and which share had been done before.
    #[serde(skip)]
    begun: Option<(Instant, f64)>,
    /// Whether the last loss is that of a step.
    #[serde(skip)]
    within: bool,
}

/// Where a stage is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Progress {
    /// Not begun.
    Waiting,
    /// Being carried out.
    Running,
    /// Its result was there.
    Cached,
    /// Carried out.
    Done,
    /// Without a result.
    Failed,
    /// Not to be carried out.
    Skipped,
}

/// How many losses and accuracies of a stage are kept; older ones are thinned out.
const LOSSES: usize = 200;

/// How long stages of each section took, by the results in the store: how many, and seconds together.
pub fn history(manifest: &Manifest, store: &Store) -> HashMap<String, (usize, f64)> {
    let sections: HashMap<String, &String> =
        (0..manifest.stages.len()).map(|stage| (label(manifest, stage), &manifest.stages[stage].template)).collect();
    let mut took: HashMap<String, (usize, f64)> = HashMap::new();
    for record in store.records().filter(|record| record.kind == "stage") {
        if let (Some(section), Some(seconds)) = (sections.get(&record.label), record.provenance["seconds"].as_f64()) {
            let (count, all) = took.entry((*section).clone()).or_default();
            (*count, *all) = (*count + 1, *all + seconds);
        }
    }
    took
}

impl Status {
    /// Of a run of `stages` that is about to begin, with what is known of like stages.
    pub fn new(manifest: &Manifest, stages: &[usize], jobs: usize, took: HashMap<String, (usize, f64)>) -> Self {
        let mut wanted = stages.to_vec();
        wanted.sort_unstable();
        let status = |stage: usize| {
            let (name, stage) = manifest.stages.get_index(stage).expect("in range");
            let status = StageStatus {
                template: stage.template.clone(),
                kind: stage.parameters.kind(),
                state: Progress::Waiting,
                share: 0.0,
                epoch: None,
                losses: Vec::new(),
                accuracies: Vec::new(),
                validated: false,
                images_per_second: None,
                seconds: None,
                message: None,
                begun: None,
                within: false,
            };
            (name.clone(), status)
        };
        Self { stages: wanted.into_iter().map(status).collect(), took, jobs: jobs.max(1), over: false }
    }

    /// Takes note of an event.
    pub fn update(&mut self, event: &Event) {
        match event {
            Event::StageCached { stage, .. } => self.with(stage, |status| status.state = Progress::Cached),
            Event::StageStarted { stage, .. } => self.with(stage, |status| {
                status.state = Progress::Running;
                status.begun = Some((Instant::now(), 0.0));
                (status.losses, status.accuracies) = (Vec::new(), Vec::new());
            }),
            Event::StageResumed { stage, epoch, epochs } => self.with(stage, |status| {
                status.share = *epoch as f64 / (*epochs).max(1) as f64;
                status.begun = Some((Instant::now(), status.share));
            }),
            Event::Step { stage, epoch, epochs, step, steps, loss, images_per_second } => self.with(stage, |status| {
                let done = (epoch - 1) as f64 + *step as f64 / (*steps).max(1) as f64;
                status.share = done / (*epochs).max(1) as f64;
                status.epoch = Some([*epoch, *epochs]);
                status.images_per_second = Some(*images_per_second);
                status.loss(*loss, true);
            }),
            Event::Epoch { stage, epoch, epochs, loss, accuracy, validation_accuracy, images_per_second, .. } => {
                self.with(stage, |status| {
                    status.validated = validation_accuracy.is_some();
                    thin(&mut status.accuracies);
                    status.accuracies.push(validation_accuracy.unwrap_or(*accuracy));
                    status.share = *epoch as f64 / (*epochs).max(1) as f64;
                    status.epoch = Some([*epoch, *epochs]);
                    status.images_per_second = Some(*images_per_second);
                    status.loss(*loss, false);
                });
            }
            Event::StageFinished { stage, seconds, .. } => {
                self.with(stage, |status| {
                    (status.state, status.share, status.seconds) = (Progress::Done, 1.0, Some(*seconds));
                });
                if let Some(status) = self.stages.get(stage) {
                    let (count, all) = self.took.entry(status.template.clone()).or_default();
                    (*count, *all) = (*count + 1, *all + seconds);
                }
            }
            Event::StageFailed { stage, message, .. } => self.with(stage, |status| {
                (status.state, status.message) = (Progress::Failed, Some(message.clone()));
            }),
            Event::StageSkipped { stage, because } => self.with(stage, |status| {
                (status.state, status.message) = (Progress::Skipped, Some(because.clone()));
            }),
            Event::RunStarted { .. } => self.over = false,
            Event::RunFinished { .. } => self.over = true,
            Event::StageWaiting { .. } | Event::Normalization { .. } | Event::Note { .. } | Event::Warning { .. } => {}
        }
    }

    fn with(&mut self, stage: &str, change: impl FnOnce(&mut StageStatus)) {
        if let Some(status) = self.stages.get_mut(stage) {
            change(status);
        }
    }

    /// How many stages are there, and of how many.
    pub fn done(&self) -> (usize, usize) {
        let is_done = |status: &&StageStatus| matches!(status.state, Progress::Done | Progress::Cached);
        (self.stages.values().filter(is_done).count(), self.stages.len())
    }

    /// For every section how many of its stages are there, of how many, and how many run.
    pub fn sections(&self) -> IndexMap<&str, [usize; 3]> {
        let mut sections: IndexMap<&str, [usize; 3]> = IndexMap::new();
        for status in self.stages.values() {
            let counts = sections.entry(&status.template).or_default();
            counts[0] += usize::from(matches!(status.state, Progress::Done | Progress::Cached));
            counts[1] += 1;
            counts[2] += usize::from(status.state == Progress::Running);
        }
        sections
    }

    /// Seconds until everything is done, by how long like stages took and how far those are that run. `None` when there is
    /// a section of which nothing is known yet.
    pub fn left(&self) -> Option<f64> {
        let (mut together, mut longest) = (0.0, 0.0f64);
        for status in self.stages.values() {
            let known = self.took.get(&status.template).map(|(count, all)| all / *count as f64);
            let seconds = match status.state {
                Progress::Waiting => known?,
                Progress::Running => status.left().or(known)?,
                _ => continue,
            };
            together += seconds;
            longest = longest.max(seconds);
        }
        // With several at once no sooner than the longest of them.
        Some(longest.max(together / self.jobs as f64))
    }
}

impl StageStatus {
    fn loss(&mut self, loss: f64, within: bool) {
        if self.within {
            self.losses.pop();
        }
        self.within = within;
        thin(&mut self.losses);
        self.losses.push(loss);
    }

    /// The epochs that are kept, and how many there are to be; of a stage that has told an epoch, or that it goes on.
    pub fn finished_epochs(&self) -> Option<[u64; 2]> {
        let [_, epochs] = self.epoch?;
        // What is behind the last epoch is rounded off.
        Some([(self.share * epochs as f64 + 1e-9).floor() as u64, epochs]).filter(|[epoch, _]| *epoch > 0)
    }

    /// Seconds since it began in this run.
    pub fn elapsed(&self) -> Option<f64> {
        self.begun.map(|(begun, _)| begun.elapsed().as_secs_f64())
    }

    /// Seconds until it is done at the speed so far.
    pub fn left(&self) -> Option<f64> {
        let (begun, before) = self.begun?;
        let speed = (self.share - before) / begun.elapsed().as_secs_f64();
        (speed > 0.0).then(|| (1.0 - self.share) / speed)
    }
}

/// Leaves out every second of many, so that there is room for another one.
fn thin(all: &mut Vec<f64>) {
    if all.len() >= LOSSES {
        let mut keep = false;
        all.retain(|_| {
            keep = !keep;
            keep
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(took: &[(&str, f64)], jobs: usize) -> Status {
        let manifest = "[data.d]\nsource = \"digits\"\n[matrix]\nseed = [1, 2]\n\
             [stages.a]\nkind = \"train\"\ndata = \"d\"\nnetwork = { arch = \"mlp\", hidden = [4] }\nepochs = 4\n\
             [stages.b]\nkind = \"evaluate\"\ndata = \"d\"\nmodels = [\"a\"]\n";
        let manifest = crate::manifest::parse(std::path::Path::new("m.toml"), manifest.as_bytes(), &[]).unwrap();
        let took = took.iter().map(|(section, seconds)| ((*section).to_owned(), (1, *seconds))).collect();
        Status::new(&manifest, &[0, 1, 2, 3], jobs, took)
    }

    #[test]
    fn the_time_left_comes_from_like_stages() {
        assert_eq!(status(&[("a", 10.0)], 1).left(), None);
        assert_eq!(status(&[("a", 10.0), ("b", 1.0)], 1).left(), Some(22.0));
        assert_eq!(status(&[("a", 10.0), ("b", 1.0)], 2).left(), Some(11.0));
        let mut one = status(&[("b", 1.0)], 1);
        let finished = |stage: &str, seconds: f64| Event::StageFinished {
            stage: stage.to_owned(),
            seconds,
            key: String::new(),
            outputs: Default::default(),
        };
        one.update(&finished("a[seed=1]", 4.0));
        assert_eq!(one.left(), Some(6.0));
        one.update(&Event::StageCached { stage: "a[seed=2]".to_owned(), key: String::new() });
        assert_eq!(one.left(), Some(2.0));
        assert_eq!(one.done(), (2, 4));
        assert_eq!(one.sections()["a"], [2, 2, 0]);
    }

    #[test]
    fn losses_are_those_of_epochs_and_of_the_last_step() {
        let mut status = status(&[], 1);
        let step = |epoch, step, loss| Event::Step {
            stage: "a[seed=1]".to_owned(),
            epoch,
            epochs: 4,
            step,
            steps: 10,
            loss,
            images_per_second: 1.0,
        };
        status.update(&step(1, 5, 2.5));
        status.update(&step(1, 10, 2.0));
        assert_eq!(status.stages["a[seed=1]"].losses, [2.0]);
        assert_eq!(status.stages["a[seed=1]"].share, 0.25);
        let epoch = Event::Epoch {
            stage: "a[seed=1]".to_owned(),
            epoch: 1,
            epochs: 4,
            loss: 2.25,
            accuracy: 0.5,
            validation_accuracy: None,
            lr: 0.1,
            inactive_units: None,
            images_per_second: 1.0,
        };
        status.update(&epoch);
        status.update(&step(2, 1, 1.5));
        assert_eq!(status.stages["a[seed=1]"].losses, [2.25, 1.5]);
    }
}
