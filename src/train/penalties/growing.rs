//! `Σ_g ½ λ_g ‖W_g‖²` over the rows of weights, where `λ_g` grows with every epoch, faster the less a row matters
//! (growing regularization, Wang et al. 2021).
//!
//! At the beginning of an epoch `λ_g ← λ_g + δ r_g`. A row matters as much as its L2 norm; `r_g` is its rank among the
//! rows of its layer, brought to [0, 1]: 1 for the least important, 0 for the most important, the mean of their ranks for
//! equal ones. All `λ_g` are 0 before the first epoch. They depend on all epochs so far, so checkpoints keep them.

use super::Tensors;
use crate::error::{Error, Kind, Result};
use crate::network::{Executor, HostTensor, ParameterSpec, Role};
use crate::tensor::{Backend, Flat, OwnedTape};

pub(super) struct Growing {
    /// Which penalty of the manifest this is, for the names of its tensors.
    number: usize,
    /// δ.
    delta: f64,
    rows: Vec<Rows>,
}

/// The rows of one weight.
struct Rows {
    /// Index of the parameter.
    weight: usize,
    name: String,
    /// λ_g.
    strengths: Vec<f32>,
}

impl Growing {
    pub(super) fn new(number: usize, weights: Vec<usize>, delta: f64, specs: &[ParameterSpec]) -> Self {
        let rows = |weight: usize| {
            let spec = &specs[weight];
            Rows { weight, name: spec.name.clone(), strengths: vec![0.0; spec.dims[0]] }
        };
        Self { number, delta, rows: weights.into_iter().map(rows).collect() }
    }

    pub(super) fn add<B: Backend>(
        &self,
        network: &Executor<B>,
        tape: &mut OwnedTape<f32, B>,
        terms: &mut Vec<Flat<B>>,
    ) -> Result<()> {
        for rows in &self.rows {
            terms.push(B::row_square_sum(&network.parameters()[rows.weight].tensor, &rows.strengths, tape)?);
        }
        Ok(())
    }

    pub(super) fn grow<B: Backend>(&mut self, network: &Executor<B>) {
        for rows in &mut self.rows {
            let values = B::download(&network.parameters()[rows.weight].tensor);
            let squares: Vec<f64> = values
                .chunks(values.len() / rows.strengths.len())
                .map(|row| row.iter().map(|value| f64::from(*value) * f64::from(*value)).sum())
                .collect();
            for (strength, rank) in rows.strengths.iter_mut().zip(ranks(&squares)) {
                *strength += (self.delta * rank) as f32;
            }
        }
    }

    pub(super) fn specs(&self) -> Vec<ParameterSpec> {
        let spec = |rows: &Rows| ParameterSpec {
            name: self.tensor_name(rows),
            dims: vec![rows.strengths.len()],
            role: Role::Weight,
        };
        self.rows.iter().map(spec).collect()
    }

    pub(super) fn save(&self) -> Vec<(String, HostTensor)> {
        let tensor = |rows: &Rows| HostTensor { dims: vec![rows.strengths.len()], data: rows.strengths.clone() };
        self.rows.iter().map(|rows| (self.tensor_name(rows), tensor(rows))).collect()
    }

    pub(super) fn restore(&mut self, tensors: &Tensors) -> Result<()> {
        for index in 0..self.rows.len() {
            let name = self.tensor_name(&self.rows[index]);
            let strengths = &mut self.rows[index].strengths;
            match tensors.get(&name) {
                Some(tensor) if tensor.data.len() == strengths.len() => strengths.clone_from(&tensor.data),
                _ => return Err(Error::new(Kind::Internal, format!("a checkpoint has no `{name}` that fits"))),
            }
        }
        Ok(())
    }

    fn tensor_name(&self, rows: &Rows) -> String {
        format!("growing.{}/{}", self.number, rows.name)
    }
}

/// For each value the share of the others that are larger, equal ones counted half. A value without others has 0.
pub(super) fn ranks(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let others = values.len().saturating_sub(1).max(1) as f64;
    let rank = |value: &f64| {
        let larger = sorted.len() - sorted.partition_point(|other| other <= value);
        let equal = sorted.len() - larger - sorted.partition_point(|other| other < value) - 1;
        (larger as f64 + 0.5 * equal as f64) / others
    };
    values.iter().map(rank).collect()
}
