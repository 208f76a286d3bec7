//! `--budget`: when a run has to stop, so that it trains no epoch which would not be finished in time.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::Event;

/// The time that a run has, and how long the epochs of the stages take that are at work.
#[derive(Debug)]
pub struct Budget {
    deadline: Instant,
    stages: HashMap<String, Clock>,
}

/// Since when a stage is at its epoch, and how long the one before took.
#[derive(Debug)]
struct Clock {
    since: Instant,
    epoch: Option<Duration>,
}

impl Budget {
    /// Until `deadline`.
    pub fn new(deadline: Instant) -> Self {
        Self { deadline, stages: HashMap::new() }
    }

    /// Takes note of an event.
    pub fn update(&mut self, event: &Event, now: Instant) {
        match event {
            Event::StageStarted { stage, .. } | Event::StageResumed { stage, .. } => {
                self.stages.insert(stage.clone(), Clock { since: now, epoch: None });
            }
            Event::Epoch { stage, epoch, epochs, .. } => {
                if let Some(clock) = self.stages.get_mut(stage) {
                    // Behind the last epoch there is only a result to be kept.
                    let took = now.saturating_duration_since(clock.since);
                    *clock = Clock { since: now, epoch: (epoch < epochs).then_some(took) };
                }
            }
            Event::StageFinished { stage, .. }
            | Event::StageFailed { stage, .. }
            | Event::StageCached { stage, .. } => {
                self.stages.remove(stage);
            }
            _ => {}
        }
    }

    /// Whether the time is over, or no stage that is at work can finish another epoch in it. One that has not told how long
    /// its epochs take may go on to the end.
    pub fn is_over(&self, now: Instant) -> bool {
        let too_long = |clock: &Clock| {
            let ends = clock.epoch.and_then(|epoch| clock.since.checked_add(epoch));
            ends.is_some_and(|ends| ends > self.deadline)
        };
        now >= self.deadline || (!self.stages.is_empty() && self.stages.values().all(too_long))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(stage: &str) -> Event {
        Event::StageStarted { stage: stage.to_owned(), kind: "train".to_owned(), key: String::new() }
    }

    fn epoch(stage: &str, epoch: u64) -> Event {
        Event::Epoch {
            stage: stage.to_owned(),
            epoch,
            epochs: 10,
            loss: 1.0,
            accuracy: 0.5,
            validation_accuracy: None,
            lr: 0.1,
            inactive_units: None,
            images_per_second: 1.0,
        }
    }

    #[test]
    fn an_epoch_that_does_not_fit_is_not_begun() {
        let begun = Instant::now();
        let after = |seconds: u64| begun + Duration::from_secs(seconds);
        let mut budget = Budget::new(after(35));
        assert!(!budget.is_over(begun), "nothing runs yet");
        budget.update(&started("a"), begun);
        assert!(!budget.is_over(after(9)), "it has not told how long an epoch takes");
        budget.update(&epoch("a", 1), after(10));
        budget.update(&epoch("a", 2), after(20));
        assert!(!budget.is_over(after(20)), "the third ends after 30 s");
        budget.update(&epoch("a", 3), after(30));
        assert!(budget.is_over(after(30)), "the fourth would end after 40 s");
        // Another stage at work has shorter ones.
        budget.update(&started("b"), after(30));
        budget.update(&epoch("b", 1), after(32));
        assert!(!budget.is_over(after(32)));
        budget.update(&epoch("b", 2), after(34));
        assert!(budget.is_over(after(34)));
    }

    #[test]
    fn the_last_epoch_is_followed_by_a_result() {
        let begun = Instant::now();
        let after = |seconds: u64| begun + Duration::from_secs(seconds);
        let mut budget = Budget::new(after(35));
        budget.update(&started("a"), begun);
        budget.update(&epoch("a", 10), after(30));
        assert!(!budget.is_over(after(30)) && budget.is_over(after(35)));
    }
}
