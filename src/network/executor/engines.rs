//! The engines of one executor: one for each set of layers that is asked for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::Executor;
use super::forward::{Forward, Mode};
use super::lower::{Lowered, lower};
use crate::error::Result;
use crate::network::graph::Op;
use crate::tensor::engine::{Operation, Precision, Run};
use crate::tensor::{Backend, Flat, Tape};

/// The layers asked for, and whether it is for training.
type Key = (Vec<usize>, bool);

/// Engines by what they are for; none where the device has none.
#[derive(Debug)]
pub(super) struct Engines<B: Backend>(Mutex<BTreeMap<Key, Option<Arc<Lowering<B>>>>>);

#[derive(Debug)]
struct Lowering<B: Backend> {
    engine: B::Engine,
    /// The layers of the normalizations and of the random scalings, by step, and how many values each scales at once.
    normalizations: Vec<Option<usize>>,
    random: Vec<(usize, usize, usize)>,
}

impl<B: Backend> Default for Engines<B> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<B: Backend> Executor<B> {
    /// Runs the device's engine, if it has one for this network.
    pub(super) fn run_engine<T: Tape<f32, B>>(
        &self,
        pixels: &Flat<B>,
        batch: usize,
        mode: Mode<'_>,
        keep: &[usize],
        tape: &mut T,
    ) -> Result<Option<Forward<B>>> {
        let training = matches!(mode, Mode::Train(_));
        let Some(lowering) = self.lowering(keep, training)? else { return Ok(None) };
        let parameters: Vec<&Flat<B>> = self.parameters.iter().map(|parameter| &parameter.tensor).collect();
        let mut factors = Vec::new();
        if let Mode::Train(Some(draws)) = mode {
            for (step, layer, count) in &lowering.random {
                let layer = &self.graph.layers[*layer];
                if let Op::Dropout { rate } | Op::StochasticDepth { rate } = layer.op
                    && rate > 0.0
                {
                    factors.push((*step, draws.factors(&layer.name, rate, *count)));
                }
            }
        }
        let run = Run { pixels, batch, parameters: &parameters, training, factors };
        let outcome = B::run(&lowering.engine, run, tape)?;
        let mut outputs = outcome.outputs.into_iter();
        let logits = outputs.next().expect("the logits are always asked for");
        let layer = |step: usize| lowering.normalizations[step].expect("it normalizes");
        let statistics = outcome.statistics.into_iter().map(|(step, statistics)| (layer(step), statistics)).collect();
        Ok(Some(Forward { logits, kept: keep.iter().copied().zip(outputs).collect(), statistics }))
    }

    fn lowering(&self, keep: &[usize], training: bool) -> Result<Option<Arc<Lowering<B>>>> {
        let mut engines = self.engines.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (keep.to_vec(), training);
        if let Some(lowering) = engines.get(&key) {
            return Ok(lowering.clone());
        }
        let precision = if training { self.precision } else { Precision::F32 };
        let Lowered { program, normalizations, random } = lower(&self.graph, &self.plan, keep, training, precision)?;
        let scaling = |(step, layer): (usize, &Option<usize>)| {
            let Operation::Scale { run } = program.steps[step].operation else { return None };
            Some((step, (*layer)?, program.sizes[step + 1] / run))
        };
        let random = random.iter().enumerate().filter_map(scaling).collect();
        let lowering = B::engine(program).map(|engine| Arc::new(Lowering { engine, normalizations, random }));
        engines.insert(key, lowering.clone());
        Ok(lowering)
    }
}
