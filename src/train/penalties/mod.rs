//! Terms of the objective that look inside the network, and what they do besides: one file each.
//!
//! - `l1`, `activation_l1`: absolute sums of weights, and of activations;
//! - `bn_l1`, `polarization`: on the scales of normalizations;
//! - `group_lasso`, `sparse_group_lasso`: on whole rows of weights, one row an output channel; the latter also shrinks
//!   rows after each step, to exact zeros;
//! - `growing`: on whole rows too, with strengths that grow from epoch to epoch and are part of checkpoints.
//!
//! The patterns of a manifest are resolved for one network, and again when pruning between epochs gives it other shapes.

mod activation_l1;
mod bn_l1;
mod group_lasso;
mod growing;
mod l1;
mod polarization;
mod sparse_group_lasso;
#[cfg(test)]
mod tests;

use super::optimizer::Tensors;
use super::parameters::Penalty;
use crate::error::Result;
use crate::network::{Executor, Forward, Graph, ParameterSpec, pattern};
use crate::tensor::{Backend, Flat, OwnedTape};
use activation_l1::ActivationL1;
use bn_l1::BnL1;
use group_lasso::GroupLasso;
use growing::Growing;
use l1::L1;
use polarization::Polarization;
use sparse_group_lasso::SparseGroupLasso;

/// The penalties of a training stage, resolved for one network.
pub struct Penalties(Vec<Term>);

enum Term {
    L1(L1),
    ActivationL1(ActivationL1),
    BnL1(BnL1),
    GroupLasso(GroupLasso),
    SparseGroupLasso(SparseGroupLasso),
    Polarization(Polarization),
    Growing(Growing),
}

impl Penalties {
    /// Resolves the patterns of `penalties` in `graph`, whose parameters are in the order of [`Graph::parameters`], as
    /// those of an executor are.
    pub fn new(penalties: &[Penalty], graph: &Graph) -> Self {
        let specs = graph.parameters();
        let indices = |names: Vec<String>| indices(&specs, &names);
        let weights = |layer: &str| indices(pattern::weights(graph, layer).collect());
        let rows = |layer: &str| indices(pattern::channel_weights(graph, layer).collect());
        let scales = |layer: &str| indices(pattern::norm_weights(graph, layer).collect());
        let mut terms: Vec<Term> = Vec::new();
        for (index, penalty) in penalties.iter().enumerate() {
            terms.push(match penalty {
                Penalty::L1 { layer, strength } => Term::L1(L1 { weights: weights(layer), strength: *strength }),
                Penalty::ActivationL1 { layer, strength } => {
                    let layers = pattern::layers(graph, layer).filter_map(|name| graph.activation_of(name)).collect();
                    Term::ActivationL1(ActivationL1 { layers, strength: *strength })
                }
                Penalty::BnL1 { layer, strength } => Term::BnL1(BnL1 { scales: scales(layer), strength: *strength }),
                Penalty::GroupLasso { layer, strength } => {
                    Term::GroupLasso(GroupLasso { weights: rows(layer), strength: *strength })
                }
                Penalty::SparseGroupLasso { layer, strength, l1_strength, proximal } => {
                    let groups = GroupLasso { weights: rows(layer), strength: *strength };
                    let singles = L1 { weights: rows(layer), strength: *l1_strength };
                    Term::SparseGroupLasso(SparseGroupLasso { groups, singles, proximal: *proximal })
                }
                Penalty::Polarization { layer, strength, l1_factor } => Term::Polarization(Polarization {
                    scales: scales(layer),
                    strength: *strength,
                    l1_factor: *l1_factor,
                }),
                Penalty::Growing { layer, delta } => Term::Growing(Growing::new(index, rows(layer), *delta, &specs)),
            });
        }
        // Those on parameters first, so that what is summed has one order.
        terms.sort_by_key(|term| matches!(term, Term::ActivationL1(_)));
        Self(terms)
    }

    /// Layers whose activations are penalised, by index: the forward pass must keep their values.
    pub fn keep(&self) -> impl Iterator<Item = usize> {
        let layers = |term: &Term| match term {
            Term::ActivationL1(term) => term.layers.clone(),
            _ => Vec::new(),
        };
        self.0.iter().flat_map(layers)
    }

    /// The terms for a batch of `batch` images, one number each.
    ///
    /// # Errors
    /// When the device fails.
    pub fn terms<B: Backend>(
        &self,
        network: &Executor<B>,
        forward: &Forward<B>,
        batch: usize,
        tape: &mut OwnedTape<f32, B>,
    ) -> Result<Vec<Flat<B>>> {
        let mut terms = Vec::new();
        for term in &self.0 {
            match term {
                Term::L1(term) => term.add(network, tape, &mut terms)?,
                Term::ActivationL1(term) => term.add(forward, batch, tape, &mut terms)?,
                Term::BnL1(term) => term.add(network, tape, &mut terms)?,
                Term::GroupLasso(term) => term.add(network, tape, &mut terms)?,
                Term::SparseGroupLasso(term) => term.add(network, tape, &mut terms)?,
                Term::Polarization(term) => term.add(network, tape, &mut terms)?,
                Term::Growing(term) => term.add(network, tape, &mut terms)?,
            }
        }
        Ok(terms)
    }

    /// What happens before the first step of every epoch: strengths grow.
    pub fn begin_epoch<B: Backend>(&mut self, network: &Executor<B>) {
        for term in &mut self.0 {
            if let Term::Growing(term) = term {
                term.grow(network);
            }
        }
    }

    /// What happens after every step of the optimizer, which had the learning rate `rate`: proximal steps.
    ///
    /// # Errors
    /// When the device fails.
    pub fn after_step<B: Backend>(&self, network: &mut Executor<B>, rate: f64) -> Result<()> {
        for term in &self.0 {
            if let Term::SparseGroupLasso(term) = term {
                term.shrink(network, rate)?;
            }
        }
        Ok(())
    }

    /// What a checkpoint must keep of the penalties, by name; see [`specs`].
    pub fn save(&self) -> Tensors {
        self.growing().flat_map(Growing::save).collect()
    }

    /// Takes the state from a checkpoint's tensors.
    ///
    /// # Errors
    /// When a tensor is missing or has the wrong size.
    pub fn restore(&mut self, tensors: &Tensors) -> Result<()> {
        for term in &mut self.0 {
            if let Term::Growing(term) = term {
                term.restore(tensors)?;
            }
        }
        Ok(())
    }

    fn growing(&self) -> impl Iterator<Item = &Growing> {
        self.0.iter().filter_map(|term| match term {
            Term::Growing(term) => Some(term),
            _ => None,
        })
    }
}

/// The tensors that [`Penalties::save`] gives for a network.
pub fn specs(penalties: &[Penalty], graph: &Graph) -> Vec<ParameterSpec> {
    Penalties::new(penalties, graph).growing().flat_map(Growing::specs).collect()
}

/// Where the parameters with these names are among all.
fn indices(specs: &[ParameterSpec], names: &[String]) -> Vec<usize> {
    let found = specs.iter().enumerate().filter(|(_, spec)| names.contains(&spec.name));
    found.map(|(index, _)| index).collect()
}
