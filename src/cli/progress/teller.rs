//! Which lines are due. What a line each would drown the rest in is counted: stages that are cached or skipped, and notes of many
//! stages of one section.

use std::collections::{HashMap, HashSet};

use anstyle::AnsiColor;
use indexmap::IndexMap;

use super::clock::Clocks;
use super::words::{head, line};
use crate::manifest::matrix::template_of;
use crate::report::count;
use crate::run::Event;

/// How much is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rate {
    /// Warnings, failures and the last line.
    Quiet,
    /// All but epochs, which have bars.
    NoEpochs,
    /// All, but epochs ever more rarely.
    Rarer,
}

/// Turns events into lines.
pub struct Teller {
    rate: Rate,
    /// The clocks of running stages.
    pub clocks: Clocks,
    gathered: Gathered,
    /// The constants of networks that were told in this run: stages that share them are many, and say it once.
    constants: HashSet<String>,
    /// The stages whose notes were told, and how many other notes there were, by section.
    notes: HashMap<String, (HashSet<String>, u64)>,
    failures: Vec<String>,
    /// Whether anything was told since the first failure that may have pushed it out of sight.
    has_gone_on: bool,
}

/// The notes of so many stages of a section are told; those of others are counted.
const TOLD_NOTES: usize = 3;

/// How many sections are named in one line, and how many failures are said again.
const MOST: usize = 8;

impl Teller {
    /// One that has told nothing yet.
    pub fn new(rate: Rate) -> Self {
        Self {
            rate,
            clocks: Clocks::default(),
            gathered: Gathered::default(),
            constants: HashSet::new(),
            notes: HashMap::new(),
            failures: Vec::new(),
            has_gone_on: false,
        }
    }

    /// The lines that are due with an event.
    pub fn tell(&mut self, event: &Event) -> Vec<String> {
        self.clocks.note(event);
        let matters = matches!(event, Event::Warning { .. } | Event::StageFailed { .. } | Event::RunFinished { .. });
        if self.rate == Rate::Quiet {
            return if matters { line(event, &self.clocks).into_iter().collect() } else { Vec::new() };
        }
        match event {
            Event::StageCached { stage, .. } => return self.gathered.add(Why::Cached, stage),
            Event::StageSkipped { stage, because } => return self.gathered.add(Why::Skipped(because.clone()), stage),
            _ if !self.is_due(event) => return Vec::new(),
            _ => {}
        }
        let told = line(event, &self.clocks);
        if told.is_none() {
            return Vec::new();
        }
        let mut lines: Vec<String> = self.gathered.take().into_iter().collect();
        match event {
            Event::StageFailed { stage, message, .. } => {
                self.failures.push(format!("{} {stage}: {message}", head(AnsiColor::Red, "failed")));
            }
            Event::RunFinished { .. } => lines.extend(self.last_words()),
            _ => self.has_gone_on |= !self.failures.is_empty(),
        }
        lines.extend(told);
        lines
    }

    fn is_due(&mut self, event: &Event) -> bool {
        match event {
            Event::Normalization { constants, .. } => self.constants.insert(constants.to_string()),
            Event::Epoch { stage, epoch, epochs, .. } => {
                self.rate == Rate::Rarer && self.clocks.is_due(stage, *epoch, *epochs)
            }
            Event::Note { stage, .. } => {
                let (told, others) = self.notes.entry(template_of(stage).to_owned()).or_default();
                let is_due = told.contains(stage) || told.len() < TOLD_NOTES && told.insert(stage.clone());
                *others += u64::from(!is_due);
                is_due
            }
            _ => true,
        }
    }

    /// What is said before the last line.
    fn last_words(&mut self) -> Vec<String> {
        let mut others: Vec<(String, u64)> = self
            .notes
            .drain()
            .map(|(section, (_, others))| (section, others))
            .filter(|(_, others)| *others > 0)
            .collect();
        others.sort();
        let note = |(section, others): (String, u64)| {
            let plural = if others == 1 { "note" } else { "notes" };
            format!(
                "{} {section}: {} more {plural} of its stages are in the run's journal and in `--json`",
                head(AnsiColor::Green, "note"),
                count(others)
            )
        };
        let mut lines: Vec<String> = others.into_iter().map(note).collect();
        let failures = std::mem::take(&mut self.failures);
        if std::mem::take(&mut self.has_gone_on) {
            let more = failures.len().saturating_sub(MOST);
            lines.extend(failures.into_iter().take(MOST));
            if more > 0 {
                lines.push(format!("{} {} more", head(AnsiColor::Red, "failed"), count(more as u64)));
            }
        }
        lines
    }
}

/// Stages of which the same is to be said, until something else is.
#[derive(Default)]
struct Gathered {
    why: Option<Why>,
    /// How many of each section, and the name of the first.
    sections: IndexMap<String, (u64, String)>,
}

#[derive(Debug, PartialEq, Eq)]
enum Why {
    Cached,
    Skipped(String),
}

impl Gathered {
    /// Adds a stage; the line of those that are gone before, if it is another matter.
    fn add(&mut self, why: Why, stage: &str) -> Vec<String> {
        let before = if self.why.as_ref().is_some_and(|known| *known != why) { self.take() } else { None };
        self.why = Some(why);
        let (number, _) = self.sections.entry(template_of(stage).to_owned()).or_insert_with(|| (0, stage.to_owned()));
        *number += 1;
        before.into_iter().collect()
    }

    /// The line of all that were added.
    fn take(&mut self) -> Option<String> {
        let why = self.why.take()?;
        let sections = std::mem::take(&mut self.sections);
        let all: u64 = sections.values().map(|(number, _)| number).sum();
        let label = |(section, (number, first)): (&String, &(u64, String))| match number {
            1 => first.clone(),
            many => format!("{section} x {}", count(*many)),
        };
        let mut names: Vec<String> = sections.iter().take(MOST).map(label).collect();
        if sections.len() > MOST {
            names.push(format!("and {} other sections", sections.len() - MOST));
        }
        let names = names.join(", ");
        let stages = count(all);
        Some(match (why, all) {
            (Why::Cached, 1) => format!("{} {names}", head(AnsiColor::Green, "cached")),
            (Why::Cached, _) => format!("{} {stages} stages: {names}", head(AnsiColor::Green, "cached")),
            (Why::Skipped(because), 1) => format!("{} {names}: {because}", head(AnsiColor::Yellow, "skipped")),
            (Why::Skipped(because), _) => {
                format!("{} {stages} stages ({names}): {because}", head(AnsiColor::Yellow, "skipped"))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cached(stage: &str) -> Event {
        Event::StageCached { stage: stage.to_owned(), key: String::new() }
    }

    fn started(stage: &str) -> Event {
        Event::StageStarted { stage: stage.to_owned(), kind: "train".to_owned(), key: String::new() }
    }

    fn skipped(stage: &str, because: &str) -> Event {
        Event::StageSkipped { stage: stage.to_owned(), because: because.to_owned() }
    }

    fn failed(stage: &str) -> Event {
        let hints = vec!["do this".to_owned()];
        Event::StageFailed { stage: stage.to_owned(), code: 20, message: "it broke".to_owned(), hints }
    }

    fn note(stage: &str) -> Event {
        Event::Note { stage: stage.to_owned(), message: "so it is".to_owned() }
    }

    fn finished(failed: usize) -> Event {
        let (run, seconds, reason) = (String::new(), 1.0, None);
        Event::RunFinished { run, cached: 1, ran: 2, failed, skipped: 0, seconds, code: 0, reason }
    }

    /// All lines of some events, without colours.
    fn told(rate: Rate, events: &[Event]) -> String {
        let mut teller = Teller::new(rate);
        let lines: Vec<String> = events.iter().flat_map(|event| teller.tell(event)).collect();
        anstream::adapter::strip_str(&lines.join("\n")).to_string()
    }

    #[test]
    fn what_is_cached_or_skipped_is_one_line_by_section() {
        let mut events = vec![cached("net")];
        events.extend((0..1500).map(|number| cached(&format!("pruned[share={number}]"))));
        events.extend([started("tuned[share=1]"), cached("score[share=2]"), failed("tuned[share=1]")]);
        events.extend((0..3).map(|number| skipped(&format!("score[share={number}]"), "another stage failed")));
        events.extend([skipped("late", "the run was stopped"), finished(1)]);
        insta::assert_snapshot!(told(Rate::Rarer, &events), @r"
           cached 1,501 stages: net, pruned x 1,500
          running tuned[share=1] (train)
           cached score[share=2]
           failed tuned[share=1]: it broke
             help do this
          skipped 3 stages (score x 3): another stage failed
          skipped late: the run was stopped
             done 1 cached, 2 run, 1 failed in 1.0 s
        ");
    }

    #[test]
    fn a_failure_that_others_came_after_is_said_again_at_the_end() {
        let events = [failed("a"), started("b"), finished(1)];
        insta::assert_snapshot!(told(Rate::NoEpochs, &events), @r"
         failed a: it broke
           help do this
        running b (train)
         failed a: it broke
           done 1 cached, 2 run, 1 failed in 1.0 s
        ");
    }

    #[test]
    fn the_notes_of_many_stages_are_counted() {
        let mut events: Vec<Event> = (0..500).map(|number| note(&format!("pruned[share={number}]"))).collect();
        events.extend([note("pruned[share=0]"), note("net"), finished(0)]);
        insta::assert_snapshot!(told(Rate::Rarer, &events), @r"
        note pruned[share=0]: so it is
        note pruned[share=1]: so it is
        note pruned[share=2]: so it is
        note pruned[share=0]: so it is
        note net: so it is
        note pruned: 497 more notes of its stages are in the run's journal and in `--json`
        done 1 cached, 2 run in 1.0 s
        ");
    }

    #[test]
    fn quiet_leaves_warnings_failures_and_the_last_line() {
        let warning = Event::Warning { message: "careful".to_owned() };
        let events = [cached("a"), started("b"), note("b"), warning, failed("b"), skipped("c", "x"), finished(1)];
        insta::assert_snapshot!(told(Rate::Quiet, &events), @r"
        warning careful
         failed b: it broke
           help do this
           done 1 cached, 2 run, 1 failed in 1.0 s
        ");
    }
}
