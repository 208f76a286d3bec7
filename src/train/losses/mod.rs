//! The losses of a training stage, resolved for its networks, and their terms for one batch.
//!
//! - this file: which losses there are, and what they compare
//! - `features`: the layers that losses name, and the sizes at which they meet
//! - `connectors`: small layers between the features of student and teacher, trained beside the student and then dropped
//! - `targets`: the labels, and the losses on them

pub mod connectors;
pub mod features;
mod targets;
#[cfg(test)]
mod tests;

pub use connectors::Connectors;
use features::Pair;
pub use targets::Targets;

use super::parameters::Loss;
use crate::error::{Error, Kind, Result};
use crate::network::{Forward, Graph, Parameter, ParameterSpec};
use crate::tensor::ops::correlation::Correlation;
use crate::tensor::ops::decoupled::Decoupled;
use crate::tensor::ops::relations::RelationWeights;
use crate::tensor::{Backend, Flat, NoneTape, Tape};

/// The losses of a stage, resolved for a student and a teacher.
pub struct Losses {
    terms: Vec<Term>,
    classes: usize,
}

struct Term {
    loss: Loss,
    pairs: Vec<Pair>,
    /// Its connectors' parameters for every pair.
    connectors: Vec<Vec<ParameterSpec>>,
    /// Where they start among those of all losses.
    first_parameter: usize,
}

/// What another network says about a batch.
pub struct Answer<B: Backend> {
    /// (batch, classes).
    pub logits: Flat<B>,
    /// The layers that were asked for.
    pub kept: Vec<(usize, Flat<B>)>,
}

/// What a network's output is compared with in one step.
pub struct Given<'a, B: Backend> {
    /// The labels of the batch.
    pub targets: Targets<'a>,
    /// The teacher's answer; none if no loss asks for one.
    pub teacher: Option<&'a Answer<B>>,
    /// The logits of the network that learns beside this one; none if no loss asks for them.
    pub peer: Option<&'a Flat<B>>,
    /// The running epoch, from 0.
    pub epoch: u64,
}

impl Losses {
    /// Resolves the layers that `losses` name.
    ///
    /// # Errors
    /// When a layer is in neither network, or layers do not meet. A manifest with such names is refused before anything
    /// runs, as far as the networks are known by then.
    pub fn new(losses: &[Loss], student: &Graph, teacher: Option<&Graph>) -> Result<Self> {
        let mut terms = Vec::new();
        let mut first_parameter = 0;
        for (index, loss) in losses.iter().enumerate() {
            let pairs = match teacher {
                _ if loss.layers().is_empty() => Vec::new(),
                Some(teacher) => features::pairs(loss, student, teacher).map_err(|problems| {
                    let told: Vec<String> = problems.iter().map(|problem| problem.message(loss)).collect();
                    Error::new(Kind::Stage, told.join("; "))
                })?,
                None => return Err(Error::new(Kind::Stage, format!("`{}` needs a teacher", loss.name()))),
            };
            let connectors: Vec<_> =
                pairs.iter().enumerate().map(|(pair, between)| connectors::specs(loss, index, pair, between)).collect();
            let count = connectors.iter().map(Vec::len).sum::<usize>();
            terms.push(Term { loss: loss.clone(), pairs, connectors, first_parameter });
            first_parameter += count;
        }
        Ok(Self { terms, classes: student.classes() })
    }

    /// The student's layers that the terms look at.
    pub fn student_layers(&self) -> impl Iterator<Item = usize> {
        self.terms.iter().flat_map(|term| &term.pairs).map(|pair| pair.student.layer)
    }

    /// The teacher's layers that the terms look at, each once. Empty if its logits are all that is asked for.
    pub fn teacher_layers(&self) -> Vec<usize> {
        let all = self.terms.iter().flat_map(|term| &term.pairs).map(|pair| pair.teacher.layer);
        let mut layers: Vec<usize> = all.collect();
        layers.sort_unstable();
        layers.dedup();
        layers
    }

    /// The parameters of all connectors, in a fixed order.
    pub fn connectors(&self) -> Vec<ParameterSpec> {
        self.terms.iter().flat_map(|term| term.connectors.iter().flatten()).cloned().collect()
    }

    /// The terms for one batch, each with its factor. `connectors` are those of [`Losses::connectors`].
    ///
    /// # Errors
    /// When the device fails.
    pub fn terms<B: Backend, T: Tape<f32, B>>(
        &self,
        forward: &Forward<B>,
        given: &Given<B>,
        connectors: &[Parameter<B>],
        tape: &mut T,
    ) -> Result<Vec<(f32, Flat<B>)>> {
        let mut terms = Vec::new();
        for term in &self.terms {
            if term.pairs.is_empty() {
                self.on_logits(&term.loss, &forward.logits, given, tape, &mut terms)?;
            } else if let Some(teacher) = given.teacher {
                let batch = given.targets.images();
                let mut features = features::Features { student: &forward.kept, teacher: &teacher.kept, batch, tape };
                term.on_features(&mut features, connectors, &mut terms)?;
            }
        }
        Ok(terms)
    }

    fn on_logits<B: Backend, T: Tape<f32, B>>(
        &self,
        loss: &Loss,
        logits: &Flat<B>,
        given: &Given<B>,
        tape: &mut T,
        terms: &mut Vec<(f32, Flat<B>)>,
    ) -> Result<()> {
        let teacher = given.teacher.map(|answer| &answer.logits);
        let classes = self.classes;
        match (loss, teacher) {
            (Loss::CrossEntropy { smoothing, weight }, _) => {
                terms.extend(given.targets.cross_entropy(logits, *smoothing, *weight, tape)?);
            }
            (Loss::Kd { temperature, alpha, smoothing, weight, standardize }, teacher) => {
                if let (Some(teacher), true) = (teacher, *alpha > 0.0) {
                    let t = *temperature as f32;
                    let term = if *standardize {
                        let teacher = B::standardize(teacher, classes, &mut NoneTape)?;
                        B::distillation(&B::standardize(logits, classes, tape)?, &teacher, classes, t, tape)?
                    } else {
                        B::distillation(logits, teacher, classes, t, tape)?
                    };
                    terms.push(((weight * alpha) as f32, term));
                }
                if *alpha < 1.0 {
                    terms.extend(given.targets.cross_entropy(logits, *smoothing, weight * (1.0 - alpha), tape)?);
                }
            }
            (Loss::LogitsMse { weight }, Some(teacher)) => {
                terms.push((*weight as f32, B::squared_error(logits, teacher, tape)?));
            }
            (Loss::Dkd { temperature, alpha, beta, warmup, weight }, Some(teacher)) => {
                let settings = Decoupled { temperature: *temperature, alpha: *alpha, beta: *beta };
                let ramp = if given.epoch + 1 < *warmup { (given.epoch + 1) as f64 / *warmup as f64 } else { 1.0 };
                let term = B::decoupled(logits, teacher, &given.targets.labels(), &settings, tape)?;
                terms.push(((weight * ramp) as f32, term));
            }
            (Loss::Dist { temperature, beta, gamma, weight }, Some(teacher)) => {
                let settings = Correlation { temperature: *temperature, beta: *beta, gamma: *gamma };
                terms.push((*weight as f32, B::correlation(logits, teacher, classes, &settings, tape)?));
            }
            (Loss::Mutual { weight }, _) => {
                if let Some(peer) = given.peer {
                    terms.push((*weight as f32, B::distillation(logits, peer, classes, 1.0, tape)?));
                }
            }
            _ => {
                let message = format!("the loss `{}` was given nothing to compare with", loss.name());
                return Err(Error::new(Kind::Internal, message));
            }
        }
        Ok(())
    }
}

impl Term {
    fn on_features<B: Backend, T: Tape<f32, B>>(
        &self,
        features: &mut features::Features<B, T>,
        connectors: &[Parameter<B>],
        terms: &mut Vec<(f32, Flat<B>)>,
    ) -> Result<()> {
        if let Loss::Fsp { weight, .. } = &self.loss {
            for ends in self.pairs.chunks_exact(2) {
                let (own, others) = (features.of(&ends[0])?, features.of(&ends[1])?);
                let channels = [ends[0].student.channels, ends[1].student.channels];
                let (student, teacher) = ([&own.0, &others.0], [&own.1, &others.1]);
                terms.push((*weight as f32, B::flow(student, teacher, features.batch, channels, features.tape)?));
            }
            return Ok(());
        }
        let mut rest = connectors.get(self.first_parameter..).unwrap_or_default();
        for (pair, specs) in self.pairs.iter().zip(&self.connectors) {
            let (student, teacher) = features.of(pair)?;
            let (batch, tape) = (features.batch, &mut *features.tape);
            let own = rest.split_off(..specs.len()).unwrap_or_default();
            let (weight, term) = match &self.loss {
                Loss::Fitnet { weight, .. } => {
                    let student = connectors::regress(&student, pair, own, batch, tape)?;
                    (weight, B::squared_error(&student, &teacher, tape)?)
                }
                Loss::Vid { weight, .. } => {
                    let (mean, scale) = connectors::predict(&student, pair, own, batch, tape)?;
                    (weight, B::variational(&mean, scale, &teacher, tape)?)
                }
                Loss::Attention { weight, .. } => {
                    let positions = pair.student.output.iter().product();
                    (weight, B::attention(&student, &teacher, batch, positions, tape)?)
                }
                Loss::Sp { weight, .. } => (weight, B::similarity(&student, &teacher, batch, tape)?),
                Loss::Rkd { distance, angle, weight, .. } => {
                    let weights = RelationWeights { distance: *distance, angle: *angle };
                    (weight, B::relations(&student, &teacher, batch, &weights, tape)?)
                }
                other => return Err(Error::new(Kind::Internal, format!("`{}` looks at no layer", other.name()))),
            };
            terms.push((*weight as f32, term));
        }
        Ok(())
    }
}
