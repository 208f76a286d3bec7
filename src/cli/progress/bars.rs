//! A terminal's bars: one a running stage, and the whole run below them. What is said beside them fits the terminal, and leaves
//! out what can be missed most.

use std::collections::HashMap;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::teller::Teller;
use super::words::epoch_words;
use crate::cli::output;
use crate::report::duration;
use crate::run::Event;
use crate::run::status::Status;

/// A terminal's bars.
pub struct Bars {
    teller: Teller,
    all: MultiProgress,
    /// The whole run, below the bars of its stages.
    run: Option<ProgressBar>,
    running: HashMap<String, ProgressBar>,
    /// Of the names of stages; 0 before the first bar.
    names: usize,
}

/// The most that the names of stages take, in characters.
const LONGEST_NAME: usize = 32;

/// Where the size of the terminal is not known.
const COLUMNS: usize = 80;

impl Bars {
    /// None yet.
    pub fn new(teller: Teller) -> Self {
        Self { teller, all: MultiProgress::new(), run: None, running: HashMap::new(), names: 0 }
    }

    /// Shows one event; `status` has taken note of it.
    pub fn event(&mut self, event: &Event, status: &Status) {
        if self.names == 0 {
            let longest = status.stages.keys().map(|name| name.chars().count()).max().unwrap_or(0);
            self.names = longest.clamp(3, LONGEST_NAME.min(columns() / 3));
        }
        if let Event::StageFinished { stage, .. }
        | Event::StageFailed { stage, .. }
        | Event::StageSkipped { stage, .. }
        | Event::StageCached { stage, .. }
        | Event::StageStarted { stage, .. } = event
        {
            // It can have one from before: it was stopped, or lost an input and runs again.
            self.remove(stage);
        }
        let lines = if matches!(event, Event::StageStarted { .. }) {
            // Its bar says so.
            self.teller.clocks.note(event);
            Vec::new()
        } else {
            self.teller.tell(event)
        };
        if !lines.is_empty() {
            let fit = |line: &String| output::wrapped(line, columns(), output::UNDER_WORDS);
            self.all.suspend(|| lines.iter().for_each(|line| output::stderr(&fit(line))));
        }
        self.stage(event);
        self.run(event, status);
    }

    fn stage(&mut self, event: &Event) {
        match event {
            Event::StageStarted { stage, kind, .. } => {
                let bar = self.bar("cyan");
                let bar = match &self.run {
                    Some(run) => self.all.insert_before(run, bar),
                    None => self.all.add(bar),
                };
                bar.set_prefix(shortened(stage, self.names));
                bar.set_message(kind.clone());
                self.running.insert(stage.clone(), bar);
            }
            Event::Step { stage, epoch, epochs, step, steps, loss, images_per_second } => {
                let Some(bar) = self.running.get(stage) else { return };
                let (done, all) = ((epoch - 1) * steps + step, epochs * steps);
                bar.set_length(all);
                bar.set_position(done);
                let left = self.teller.clocks.left(stage, done as f64 / *steps as f64, *epochs);
                let words = [
                    Some((0, format!("epoch {epoch}/{epochs}"))),
                    Some((1, format!("loss {loss:.4}"))),
                    Some((3, format!("{images_per_second:.0} images/s"))),
                    left.map(|left| (2, left)),
                ];
                bar.set_message(self.fitted(words.into_iter().flatten().collect(), ", "));
            }
            Event::Epoch { stage, epoch, epochs, .. } => {
                let Some(bar) = self.running.get(stage) else { return };
                if bar.length().unwrap_or(0) < *epochs {
                    bar.set_length(*epochs);
                }
                bar.set_position(bar.length().unwrap_or(0) * epoch / epochs);
                let mut words = vec![(0, format!("epoch {epoch}/{epochs}"))];
                words.extend(epoch_words(event, &self.teller.clocks));
                bar.set_message(self.fitted(words, ", "));
            }
            _ => {}
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
        if self.run.is_none() {
            self.run = Some(self.all.add(self.bar("green").with_prefix("all")));
        }
        let left = status.left().map_or(String::new(), |left| format!(", {} left", duration(left)));
        let mut words = vec![(0, format!("{done}/{all}{left}"))];
        let sections = status.sections();
        for (name, [done, all, running]) in &sections {
            // What runs is looked for first, then what is left.
            let (mark, rank) = match (running, done == all) {
                (1.., _) => ("*", 1),
                (0, false) => ("", 2),
                (0, true) => ("", 3),
            };
            words.push((rank, format!("{name}{mark} {done}/{all}")));
        }
        let message = self.fitted(words, "  ");
        let bar = self.run.as_ref().expect("just made");
        bar.set_length(all as u64);
        bar.set_position(done as u64);
        bar.set_message(message);
    }

    /// A bar behind a name.
    fn bar(&self, color: &str) -> ProgressBar {
        let template = format!("{{prefix:>{}.bold}} {{bar:{}.{color}/dim}} {{wide_msg}}", self.names, length());
        let style = ProgressStyle::with_template(&template).expect("a template without faults");
        ProgressBar::new(0).with_style(style.progress_chars("━━─"))
    }

    /// Words as they fit beside a bar.
    fn fitted(&self, words: Vec<(u8, String)>, between: &str) -> String {
        fitted(words, between, columns().saturating_sub(self.names + length() + 3))
    }

    /// Takes a bar off the screen.
    fn remove(&mut self, stage: &str) {
        if let Some(bar) = self.running.remove(stage) {
            bar.finish_and_clear();
            self.all.remove(&bar);
        }
    }
}

fn columns() -> usize {
    output::columns_of_stderr().unwrap_or(COLUMNS)
}

/// Of a bar.
fn length() -> usize {
    if columns() < 100 { 10 } else { 20 }
}

/// A name in at most so many characters, without its middle if it has to be: what tells instances apart stands at the end.
fn shortened(name: &str, most: usize) -> String {
    let characters: Vec<char> = name.chars().collect();
    if characters.len() <= most {
        return name.to_owned();
    }
    let front = most.saturating_sub(1) / 2;
    let back = most.saturating_sub(1) - front;
    let of = |part: &[char]| part.iter().collect::<String>();
    format!("{}…{}", of(&characters[..front]), of(&characters[characters.len() - back..]))
}

/// Words joined in at most so many characters: those of the highest rank are left out first, from the last on, and `…` says so.
fn fitted(mut words: Vec<(u8, String)>, between: &str, most: usize) -> String {
    let mut more = "";
    loop {
        let all: Vec<&str> = words.iter().map(|(_, word)| word.as_str()).collect();
        let text = all.join(between) + more;
        let highest = words.iter().map(|(rank, _)| *rank).max().unwrap_or(0);
        if text.chars().count() <= most {
            return text;
        }
        if highest == 0 {
            let cut: String = text.chars().take(most.saturating_sub(1)).collect();
            return cut.trim_end_matches('…').to_owned() + "…";
        }
        let last = words.iter().rposition(|(rank, _)| *rank == highest).expect("there is one");
        words.remove(last);
        more = " …";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_missed_most_is_left_out_first() {
        let words = || {
            let words = [(0, "epoch 3/60"), (1, "loss 0.1234"), (3, "964 images/s"), (2, "2 min left")];
            words.map(|(rank, word)| (rank, word.to_owned())).to_vec()
        };
        let at = |most| fitted(words(), ", ", most);
        assert_eq!(at(80), "epoch 3/60, loss 0.1234, 964 images/s, 2 min left");
        assert_eq!(at(40), "epoch 3/60, loss 0.1234, 2 min left …");
        assert_eq!(at(30), "epoch 3/60, loss 0.1234 …");
        assert_eq!(at(15), "epoch 3/60 …");
        assert_eq!(at(8), "epoch 3…");
        for most in 1..60 {
            assert!(at(most).chars().count() <= most, "{most}: {}", at(most));
        }
    }

    #[test]
    fn long_names_keep_their_ends() {
        assert_eq!(shortened("teacher", 8), "teacher");
        assert_eq!(shortened("pruned[criterion=l1,sparsity=0.5]", 17), "pruned[c…ity=0.5]");
        assert_eq!(shortened("größe", 3), "g…e");
    }
}
