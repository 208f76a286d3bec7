//! What every epoch came to, and what is decided from it: the best epoch, and when to stop.

use serde::{Deserialize, Serialize};

use super::parameters::EarlyStop;

/// What one epoch came to. No times: this is part of a result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Entry {
    /// From 1.
    pub epoch: u64,
    /// The objective, averaged over the epoch's images.
    pub loss: f64,
    /// Share of right answers on the batches as they were trained on.
    pub accuracy: f64,
    /// Mean cross entropy on the validation split.
    pub validation_loss: Option<f64>,
    /// Share of right answers on the validation split.
    pub validation_accuracy: Option<f64>,
    /// Learning rate of the last step.
    pub lr: f64,
    /// Units that stayed at zero through the epoch, in layers with an activation penalty.
    pub inactive_units: Option<u64>,
    /// Units removed after the epoch.
    pub pruned_units: Option<u64>,
    /// The share of weights that are masked after the epoch, if the stage masks weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sparsity: Option<f64>,
    /// Whether pruning is still on its way: the sparsity rises, or more channels are to go. Such an epoch is not chosen, and
    /// does not count for an early stop.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rising: bool,
}

/// The epochs so far, in order.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct History {
    /// One entry an epoch.
    pub epochs: Vec<Entry>,
    /// The epoch whose weights are the result, once training is over.
    pub selected: Option<u64>,
}

impl History {
    /// Whether the last epoch is the best on the validation split so far; the earliest of equals counts.
    pub fn last_is_best(&self) -> bool {
        let Some((last, before)) = self.epochs.split_last().filter(|(last, _)| !last.rising) else { return false };
        last.validation_accuracy.is_some_and(|accuracy| {
            before.iter().filter(|e| !e.rising).filter_map(|e| e.validation_accuracy).all(|earlier| accuracy > earlier)
        })
    }

    /// The number of the best epoch on the validation split.
    pub fn best(&self) -> Option<u64> {
        let mut best: Option<(f64, u64)> = None;
        for entry in self.epochs.iter().filter(|entry| !entry.rising) {
            if let Some(accuracy) = entry.validation_accuracy
                && best.is_none_or(|(highest, _)| accuracy > highest)
            {
                best = Some((accuracy, entry.epoch));
            }
        }
        best.map(|(_, epoch)| epoch)
    }

    /// The epoch after which training stops: the first with `patience` epochs behind it that brought no gain.
    pub fn stop(&self, rule: &EarlyStop) -> Option<u64> {
        let mut highest = f64::NEG_INFINITY;
        let mut since = 0;
        for entry in self.epochs.iter().filter(|entry| !entry.rising) {
            let accuracy = entry.validation_accuracy?;
            if accuracy > highest + rule.minimum_gain {
                (highest, since) = (accuracy, 0);
            } else {
                since += 1;
            }
            if since >= rule.patience {
                return Some(entry.epoch);
            }
        }
        None
    }

    /// Why training ended where it did, and which epoch's weights are the result, if either is not a matter of course: `epochs` were
    /// asked for.
    pub fn ending(&self, epochs: u64, rule: Option<&EarlyStop>, chosen: bool) -> Option<String> {
        let stopped = rule.and_then(|rule| Some((rule, self.stop(rule)?))).filter(|(_, last)| *last < epochs);
        let stopped = stopped.map(|(rule, last)| {
            let patience = rule.patience;
            let which = if patience == 1 { "an epoch".to_owned() } else { format!("{patience} epochs in a row") };
            format!("stopped after epoch {last} of {epochs}, as {which} brought no gain on the validation split")
        });
        let best = self.best().filter(|_| chosen).and_then(|best| self.epochs.iter().find(|entry| entry.epoch == best));
        let best = best.and_then(|entry| {
            let accuracy = 100.0 * entry.validation_accuracy?;
            Some(format!(
                "the weights are those of epoch {}, the best: {accuracy:.2} % on the validation split",
                entry.epoch
            ))
        });
        match (stopped, best) {
            (None, None) => None,
            (stopped, best) => Some(stopped.into_iter().chain(best).collect::<Vec<_>>().join("; ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(accuracies: &[f64]) -> History {
        let entry = |(index, accuracy): (usize, &f64)| Entry {
            epoch: index as u64 + 1,
            loss: 1.0,
            accuracy: 0.0,
            validation_loss: None,
            validation_accuracy: Some(*accuracy),
            lr: 0.1,
            inactive_units: None,
            pruned_units: None,
            sparsity: None,
            rising: false,
        };
        History { epochs: accuracies.iter().enumerate().map(entry).collect(), selected: None }
    }

    #[test]
    fn the_best_epoch_is_the_earliest_of_the_highest() {
        assert_eq!(history(&[0.5, 0.9, 0.9, 0.8]).best(), Some(2));
        assert!(history(&[0.5, 0.9]).last_is_best());
        assert!(!history(&[0.5, 0.9, 0.9]).last_is_best());
        assert_eq!(history(&[]).best(), None);
    }

    #[test]
    fn training_stops_after_epochs_without_a_gain() {
        let rule = EarlyStop { patience: 2, minimum_gain: 0.0 };
        assert_eq!(history(&[0.5, 0.6, 0.6, 0.5, 0.9]).stop(&rule), Some(4));
        assert_eq!(history(&[0.5, 0.6, 0.6, 0.7, 0.7]).stop(&rule), None);
        let rule = EarlyStop { patience: 2, minimum_gain: 0.2 };
        assert_eq!(history(&[0.5, 0.6, 0.65]).stop(&rule), Some(3));
    }

    #[test]
    fn the_ending_says_why_and_which_epoch() {
        let (history, rule) = (history(&[0.5, 0.6, 0.6, 0.5]), EarlyStop { patience: 2, minimum_gain: 0.0 });
        insta::assert_snapshot!(history.ending(60, Some(&rule), true).unwrap(), @"stopped after epoch 4 of 60, as 2 epochs in a row brought no gain on the validation split; the weights are those of epoch 2, the best: 60.00 % on the validation split");
        insta::assert_snapshot!(history.ending(4, Some(&rule), true).unwrap(), @"the weights are those of epoch 2, the best: 60.00 % on the validation split");
        insta::assert_snapshot!(history.ending(60, Some(&EarlyStop { patience: 1, ..rule }), false).unwrap(), @"stopped after epoch 3 of 60, as an epoch brought no gain on the validation split");
        assert_eq!(history.ending(4, None, false), None);
    }
}
