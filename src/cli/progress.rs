//! A run's events for a person: bars on a terminal, plain lines elsewhere; or JSON.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use anstyle::AnsiColor;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::output;
use crate::report::duration;
use crate::run::Event;
use crate::run::status::Status;

/// Shows events.
pub enum Reporter {
    /// One JSON object a line, on stdout.
    Json,
    /// Bars and lines on a terminal.
    Bars(Bars),
    /// Plain lines.
    Lines(Lines),
}

/// Plain lines, and what they are made from.
#[derive(Default)]
pub struct Lines {
    clocks: Clocks,
    constants: Constants,
}

/// The constants of networks that were told in this run: stages that share them are many, and say it once.
#[derive(Default)]
struct Constants(HashSet<String>);

impl Constants {
    /// Whether an event says nothing that was not told before.
    fn are_told(&mut self, event: &Event) -> bool {
        matches!(event, Event::Normalization { constants, .. } if !self.0.insert(constants.to_string()))
    }
}

/// The clocks of running stages, for the time that is left.
type Clocks = HashMap<String, Clock>;

/// When a stage began, and how many epochs were done by then.
#[derive(Clone, Copy)]
pub struct Clock {
    begun: Instant,
    epochs_before: u64,
    /// When an epoch was told last.
    told: Option<Instant>,
}

/// Epochs that are shorter than this are not all told where each takes a line.
const BETWEEN_LINES: Duration = Duration::from_secs(1);

impl Clock {
    /// How long the rest takes at the speed so far, with `done` of `all` epochs done.
    fn left(&self, done: f64, all: u64) -> String {
        let speed = (done - self.epochs_before as f64) / self.begun.elapsed().as_secs_f64();
        if speed > 0.0 { format!(", {} left", duration((all as f64 - done) / speed)) } else { String::new() }
    }
}

/// A terminal's bars.
pub struct Bars {
    all: MultiProgress,
    /// The whole run, below the bars of its stages.
    run: Option<ProgressBar>,
    running: HashMap<String, ProgressBar>,
    clocks: Clocks,
    constants: Constants,
}

impl Reporter {
    /// What fits stderr, or JSON if asked.
    pub fn new(json: bool) -> Self {
        if json {
            Reporter::Json
        } else if output::is_terminal() {
            Reporter::Bars(Bars {
                all: MultiProgress::new(),
                run: None,
                running: HashMap::new(),
                clocks: HashMap::new(),
                constants: Constants::default(),
            })
        } else {
            Reporter::Lines(Lines::default())
        }
    }

    /// Shows one event; `status` has taken note of it.
    pub fn event(&mut self, event: &Event, status: &Status) {
        match self {
            Reporter::Json => {
                let json = serde_json::to_string(event).expect("events are plain data");
                output::stdout(&format!("{json}\n"));
            }
            Reporter::Lines(Lines { clocks, constants }) => {
                remember(clocks, event);
                let is_due = !constants.are_told(event) && is_worth_a_line(event, clocks);
                if let Some(line) = line(event, clocks).filter(|_| is_due) {
                    output::stderr(&line);
                }
            }
            Reporter::Bars(bars) => {
                bars.event(event);
                bars.run(event, status);
            }
        }
    }
}

fn remember(clocks: &mut Clocks, event: &Event) {
    match event {
        Event::StageStarted { stage, .. } => {
            clocks.insert(stage.clone(), Clock { begun: Instant::now(), epochs_before: 0, told: None });
        }
        Event::StageResumed { stage, epoch, .. } => {
            clocks.insert(stage.clone(), Clock { begun: Instant::now(), epochs_before: *epoch, told: None });
        }
        _ => {}
    }
}

/// Whether a line is due: always, but for epochs in quick succession, of which only the first and the last are told, and
/// one a second between them.
fn is_worth_a_line(event: &Event, clocks: &mut Clocks) -> bool {
    let Event::Epoch { stage, epoch, epochs, .. } = event else { return true };
    let Some(clock) = clocks.get_mut(stage) else { return true };
    let due = epoch == epochs || clock.told.is_none_or(|told| told.elapsed() >= BETWEEN_LINES);
    if due {
        clock.told = Some(Instant::now());
    }
    due
}

/// An event as a line; `None` for those that only bars show.
fn line(event: &Event, clocks: &Clocks) -> Option<String> {
    // Padded before it is painted, because colours take up room in a string but not on a screen.
    let good = |word: &str| output::paint(AnsiColor::Green, &format!("{word:>9}"));
    let bad = |word: &str| output::paint(AnsiColor::Red, &format!("{word:>9}"));
    let mild = |word: &str| output::paint(AnsiColor::Yellow, &format!("{word:>9}"));
    Some(match event {
        Event::RunStarted { .. } | Event::Step { .. } => return None,
        Event::StageCached { stage, .. } => format!("{} {stage}", good("cached")),
        Event::StageStarted { stage, kind, .. } => format!("{} {stage} ({kind})", good("running")),
        Event::StageWaiting { stage, pid } => {
            let who = match pid {
                // The same result under two names.
                Some(pid) if *pid == std::process::id() => "another stage of this run".to_owned(),
                Some(pid) => format!("process {pid}"),
                None => "another process".to_owned(),
            };
            format!("{} for stage {stage}, which {who} is making", mild("waiting"))
        }
        Event::StageResumed { stage, epoch, epochs } if epoch >= epochs => {
            format!("{} {stage}: all {epochs} epochs are in the store", good("resumed"))
        }
        Event::StageResumed { stage, epoch, epochs } => {
            format!("{} {stage} after epoch {epoch} of {epochs}", good("resumed"))
        }
        Event::Epoch { stage, epoch, epochs, .. } => {
            format!("{:>9} {stage} epoch {epoch}/{epochs}: {}", "", epoch_words(event, clocks))
        }
        Event::Normalization { stage, constants } => {
            format!("{} {stage}: images are normalised by {constants}", good("note"))
        }
        Event::Note { stage, message } => format!("{} {stage}: {message}", good("note")),
        Event::StageFinished { stage, seconds, .. } => {
            format!("{} {stage} in {}", good("finished"), duration(*seconds))
        }
        Event::StageFailed { stage, message, hints, .. } => {
            let mut text = format!("{} {stage}: {message}", bad("failed"));
            for hint in hints {
                text.push_str(&format!("\n{} {hint}", output::paint(AnsiColor::Cyan, &format!("{:>9}", "help"))));
            }
            text
        }
        Event::StageSkipped { stage, because } => format!("{} {stage}: {because}", mild("skipped")),
        Event::Warning { message } => format!("{} {message}", mild("warning")),
        Event::RunFinished { cached, ran, failed, skipped, seconds, .. } => {
            let mut parts = vec![format!("{cached} cached"), format!("{ran} run")];
            for (count, word) in [(failed, "failed"), (skipped, "skipped")] {
                if *count > 0 {
                    parts.push(format!("{count} {word}"));
                }
            }
            format!(
                "{} {} in {}",
                if *failed > 0 { bad("done") } else { good("done") },
                parts.join(", "),
                duration(*seconds)
            )
        }
    })
}

/// What an epoch came to, and how long the rest will take at this speed.
fn epoch_words(event: &Event, clocks: &Clocks) -> String {
    let Event::Epoch {
        stage,
        epoch,
        epochs,
        loss,
        accuracy,
        validation_accuracy,
        inactive_units,
        images_per_second,
        ..
    } = event
    else {
        return String::new();
    };
    let mut text = format!("loss {loss:.4}, accuracy {:.1} %", 100.0 * accuracy);
    if let Some(accuracy) = validation_accuracy {
        text.push_str(&format!(", validation {:.1} %", 100.0 * accuracy));
    }
    if let Some(units) = inactive_units {
        text.push_str(&format!(", {units} units inactive"));
    }
    text.push_str(&format!(", {images_per_second:.0} images/s"));
    if let Some(clock) = clocks.get(stage).filter(|_| epoch < epochs) {
        text.push_str(&clock.left(*epoch as f64, *epochs));
    }
    text
}

impl Bars {
    fn event(&mut self, event: &Event) {
        remember(&mut self.clocks, event);
        match event {
            Event::StageStarted { stage, kind, .. } => {
                self.remove(stage);
                let style = ProgressStyle::with_template("{prefix:>14.bold} {bar:20.cyan/dim} {wide_msg}")
                    .expect("a fixed template");
                let bar = ProgressBar::new(0).with_style(style.progress_chars("━━─"));
                let bar = match &self.run {
                    Some(run) => self.all.insert_before(run, bar),
                    None => self.all.add(bar),
                };
                bar.set_prefix(stage.clone());
                bar.set_message(kind.clone());
                self.running.insert(stage.clone(), bar);
            }
            Event::Step { stage, epoch, epochs, step, steps, loss, images_per_second } => {
                if let Some(bar) = self.running.get(stage) {
                    let (done, all) = ((epoch - 1) * steps + step, epochs * steps);
                    bar.set_length(all);
                    bar.set_position(done);
                    let epochs_done = done as f64 / *steps as f64;
                    let left = self.clocks.get(stage).map_or(String::new(), |clock| clock.left(epochs_done, *epochs));
                    let speed = format!("{images_per_second:.0} images/s");
                    bar.set_message(format!("epoch {epoch}/{epochs}, loss {loss:.4}, {speed}{left}"));
                }
            }
            Event::Epoch { stage, epoch, epochs, .. } => {
                if let Some(bar) = self.running.get(stage) {
                    if bar.length().unwrap_or(0) < *epochs {
                        bar.set_length(*epochs);
                    }
                    bar.set_position(bar.length().unwrap_or(0) * epoch / epochs);
                    bar.set_message(format!("epoch {epoch}/{epochs}, {}", epoch_words(event, &self.clocks)));
                }
            }
            Event::StageFinished { stage, .. }
            | Event::StageFailed { stage, .. }
            | Event::StageSkipped { stage, .. }
            | Event::StageCached { stage, .. } => {
                self.remove(stage);
                self.print(event);
            }
            other if self.constants.are_told(other) => {}
            other => self.print(other),
        }
    }

    /// Shows how far the whole run is: stages, the time that is left, and every section.
    fn run(&mut self, event: &Event, status: &Status) {
        if matches!(event, Event::RunFinished { .. }) {
            if let Some(bar) = self.run.take() {
                bar.finish_and_clear();
            }
            return;
        }
        let (done, all) = status.done();
        let bar = self.run.get_or_insert_with(|| {
            let style = ProgressStyle::with_template("{prefix:>14.bold} {bar:20.green/dim} {wide_msg}");
            let style = style.expect("a fixed template").progress_chars("━━─");
            self.all.add(ProgressBar::new(all as u64).with_style(style).with_prefix("all"))
        });
        bar.set_length(all as u64);
        bar.set_position(done as u64);
        let left = status.left().map_or(String::new(), |left| format!(", {} left", duration(left)));
        let section = |(name, [done, all, running]): (&str, [usize; 3])| {
            let mark = if running > 0 { "*" } else { "" };
            format!("{name}{mark} {done}/{all}")
        };
        let sections: Vec<String> = status.sections().into_iter().map(section).collect();
        bar.set_message(format!("{done}/{all}{left}  {}", sections.join("  ")));
    }

    /// Takes a bar off the screen. A stage can have one from before: it was stopped, or lost an input and runs again.
    fn remove(&mut self, stage: &str) {
        if let Some(bar) = self.running.remove(stage) {
            bar.finish_and_clear();
            self.all.remove(&bar);
        }
    }

    fn print(&self, event: &Event) {
        if let Some(line) = line(event, &self.clocks) {
            self.all.suspend(|| output::stderr(&line));
        }
    }
}
