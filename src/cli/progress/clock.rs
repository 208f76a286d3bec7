//! The clocks of running stages: the time that is left, and when an epoch is due to be told.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::report::duration;
use crate::run::Event;

/// The clocks of running stages, by name.
#[derive(Default)]
pub struct Clocks(HashMap<String, Clock>);

struct Clock {
    begun: Instant,
    epochs_before: u64,
    /// When an epoch was told last, and which.
    told: Option<(Instant, u64)>,
}

/// Two lines of one stage are at least so far apart.
const SHORTEST: Duration = Duration::from_secs(1);

/// After so long an epoch is told however little of the stage it is: silence looks like a hang.
const LONGEST: Duration = Duration::from_secs(300);

impl Clocks {
    /// Starts a clock when a stage begins or is resumed.
    pub fn note(&mut self, event: &Event) {
        let (stage, epochs_before) = match event {
            Event::StageStarted { stage, .. } => (stage, 0),
            Event::StageResumed { stage, epoch, .. } => (stage, *epoch),
            _ => return,
        };
        self.0.insert(stage.clone(), Clock { begun: Instant::now(), epochs_before, told: None });
    }

    /// How long the rest of a stage takes at the speed so far, with `done` of `all` epochs done.
    pub fn left(&self, stage: &str, done: f64, all: u64) -> Option<String> {
        let clock = self.0.get(stage)?;
        let speed = (done - clock.epochs_before as f64) / clock.begun.elapsed().as_secs_f64();
        (speed > 0.0).then(|| format!("{} left", duration((all as f64 - done) / speed)))
    }

    /// Whether an epoch is due where each takes a line of its own: the first and the last, and between them one each percent of
    /// all, so that the lines of a stage do not grow with its length.
    pub fn is_due(&mut self, stage: &str, epoch: u64, epochs: u64) -> bool {
        let Some(clock) = self.0.get_mut(stage) else { return true };
        let due = |(told, last): (Instant, u64)| {
            let a_percent_on = 100 * epoch.saturating_sub(last) >= epochs;
            told.elapsed() >= if a_percent_on { SHORTEST } else { LONGEST }
        };
        let due = epoch == epochs || clock.told.is_none_or(due);
        if due {
            clock.told = Some((Instant::now(), epoch));
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_are_told_each_percent_but_not_more_than_once_a_second() {
        let mut clocks = Clocks::default();
        clocks.note(&Event::StageStarted { stage: "net".to_owned(), kind: String::new(), key: String::new() });
        assert!(clocks.is_due("net", 1, 1000));
        assert!(!clocks.is_due("net", 500, 1000), "within a second");
        let mut since = |seconds: u64, last: u64, epoch: u64| {
            let told =
                Instant::now().checked_sub(Duration::from_secs(seconds)).expect("the machine runs for that long");
            clocks.0.get_mut("net").unwrap().told = Some((told, last));
            clocks.is_due("net", epoch, 1000)
        };
        assert!(!since(2, 1, 5), "less than a percent");
        assert!(since(2, 1, 11), "a percent, and a second");
        assert!(since(301, 1, 2), "however little, after some minutes");
        assert!(since(0, 999, 1000), "the last");
    }
}
