//! How far a run would come with the checkpoints that are in the store, for plans: it says what a run finds, and changes
//! nothing.

use std::collections::HashMap;

use super::super::parameters::Training;
use super::super::schedule;
use super::super::sparsity::Sparsity;
use super::{KIND, keys};
use crate::store::{Digest, Record};

/// The checkpoints of a store, by the first link of their chain.
#[derive(Debug, Default)]
pub struct Chains(HashMap<String, Vec<Seen>>);

#[derive(Debug)]
struct Seen {
    key: Digest,
    epoch: u64,
    steps: u64,
    /// The learning rate of the last step of each epoch so far.
    rates: Vec<(f64, u64)>,
}

/// What a run finds of its epochs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// It goes on after this epoch; 0 when it begins anew.
    pub after: u64,
    /// Epochs up to this one were trained before. Those behind `after` are trained again, as their checkpoints are gone.
    pub trained: u64,
    /// Of how many.
    pub epochs: u64,
}

impl Chains {
    /// Takes note of a record, if it is of a checkpoint.
    pub fn note(&mut self, record: &Record) {
        let field = |name: &str| record.fields.iter().find(|(field, _)| field == name).map(|(_, value)| value);
        let number = |name: &str| field(name)?.parse().ok();
        if record.kind == KIND
            && let (Some(chain), Some(epoch), Some(steps)) = (field("chain"), number("epoch"), number("steps"))
        {
            let rates = serde_json::from_value(record.provenance["lr"].clone()).unwrap_or_default();
            self.0.entry(chain.clone()).or_default().push(Seen { key: record.key, epoch, steps, rates });
        }
    }

    /// What a run of `training` finds of the chain that begins with `chain`; `None` when there is no checkpoint of it.
    pub fn reach(&self, chain: &Digest, training: &Training) -> Option<Reach> {
        let seen = self.0.get(&chain.to_string())?;
        // The same images in the same batches, so the same steps.
        let steps = seen.first()?.steps;
        let keys = keys(training, chain, steps, &|| false)?;
        let own = |seen: &&Seen| keys.get((seen.epoch - 1) as usize) == Some(&seen.key);
        let after = seen.iter().filter(|seen| seen.epoch > 0).filter(own).map(|seen| seen.epoch).max().unwrap_or(0);
        let lr = training.optimizer.lr();
        let rate = |epoch| schedule::rates(&training.schedule, lr, training.epochs, steps, epoch).pop();
        let common = |seen: &Seen| {
            let rates = seen.rates.iter().flat_map(|(rate, epochs)| (0..*epochs).map(|_| *rate));
            (0..training.epochs).zip(rates).take_while(|(epoch, seen)| rate(*epoch) == Some(*seen)).count() as u64
        };
        // Where masks look ahead to the last epoch, rates alone do not tell what two runs have in common.
        let looks_ahead = !Sparsity::foresight(training, steps, 0).is_empty();
        let trained = if looks_ahead { 0 } else { seen.iter().map(common).max().unwrap_or(0) };
        Some(Reach { after, trained: trained.max(after), epochs: training.epochs })
    }
}

/// Equal values that follow each other, once, with how many there are.
pub fn runs(values: impl Iterator<Item = f64>) -> Vec<(f64, u64)> {
    let mut runs: Vec<(f64, u64)> = Vec::new();
    for value in values {
        match runs.last_mut() {
            Some((last, count)) if *last == value => *count += 1,
            _ => runs.push((value, 1)),
        }
    }
    runs
}
