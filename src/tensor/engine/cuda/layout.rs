//! Where everything of one run lies in a GPU's memory: worked out beforehand, in one piece, from sizes alone.
//!
//! On the way forwards with a tape, values stay; without one, memory is used again as soon as nobody reads a value any more.
//! Gradients of values live from the last step that reads the value to the step that computes it, and share memory in
//! between. What kernels keep (packed weights, tables, factors) has places of its own, and all share one scratch.

use crate::error::{Error, Kind, Result};
use crate::tensor::cuda::single::as_convolution;
use crate::tensor::engine::{Operation, Precision, Program, Value};
use crate::tensor::ops::batch_norm::cuda::Kernel as Normalize;
use crate::tensor::ops::convolution::cuda::{Kernel as Convolution, unfit};

/// Places begin at multiples of this many numbers (256 bytes), so that kernels may read four at once.
const ALIGNMENT: usize = 64;

/// What computes a step.
#[derive(Debug, Clone)]
pub(super) enum Kernel {
    Convolution(Convolution),
    Normalize(Normalize),
    Other,
}

impl Kernel {
    pub(super) fn new(operation: &Operation, precision: Precision) -> Result<Self> {
        Ok(match operation {
            Operation::Convolution { geometry, .. } => {
                Self::Convolution(Convolution::new(geometry, precision).ok_or_else(|| unfit(geometry))?)
            }
            Operation::Linear { features, .. } => {
                let geometry = as_convolution(1, *features);
                Self::Convolution(Convolution::new(&geometry, precision).ok_or_else(|| unfit(&geometry))?)
            }
            Operation::Normalize { channels, epsilon, after, .. } => {
                Self::Normalize(Normalize { channels: *channels, epsilon: *epsilon, after: *after })
            }
            _ => Self::Other,
        })
    }
}

/// Offsets, in numbers from the beginning of the memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    /// Of every value that is computed.
    pub(super) values: Vec<usize>,
    /// Of the gradient of every value that has one.
    pub(super) gradients: Vec<Option<usize>>,
    /// By step: packed weights of a convolution, tables of a normalization, factors of a scaling.
    pub(super) own: Vec<usize>,
    /// For parts of sums.
    pub(super) scratch: usize,
    /// How many numbers there is room for.
    pub(super) total: usize,
}

/// Memory from which places are taken, and to which they are given back.
#[derive(Debug, Default)]
struct Arena {
    /// Places that are free, in order, with their lengths; no two touch.
    free: Vec<(usize, usize)>,
    top: usize,
}

impl Arena {
    /// The smallest free place that is large enough.
    fn take(&mut self, length: usize) -> usize {
        let length = length.max(1).next_multiple_of(ALIGNMENT);
        let fitting = self.free.iter().enumerate().filter(|(_, (_, free))| *free >= length);
        if let Some(index) = fitting.min_by_key(|(_, (_, free))| *free).map(|(index, _)| index) {
            let (place, free) = self.free[index];
            if free == length {
                self.free.remove(index);
            } else {
                self.free[index] = (place + length, free - length);
            }
            return place;
        }
        // The last free place may be at the end and can grow.
        let place = match self.free.last() {
            Some((place, free)) if place + free == self.top => self.free.pop().map_or(self.top, |(place, _)| place),
            _ => self.top,
        };
        self.top = place + length;
        place
    }

    fn give(&mut self, place: usize, length: usize) {
        let length = length.max(1).next_multiple_of(ALIGNMENT);
        let index = self.free.partition_point(|(free, _)| *free < place);
        self.free.insert(index, (place, length));
        if let Some((next, more)) = self.free.get(index + 1).copied()
            && place + length == next
        {
            self.free[index].1 += more;
            self.free.remove(index + 1);
        }
        if index > 0 && self.free[index - 1].0 + self.free[index - 1].1 == place {
            self.free[index - 1].1 += self.free[index].1;
            self.free.remove(index);
        }
    }
}

impl Layout {
    /// For `batch` images; `keep` if the run is to go backwards.
    ///
    /// # Errors
    /// When a window does not fit, or sizes overflow.
    pub(super) fn new(program: &Program, kernels: &[Kernel], batch: usize, keep: bool) -> Result<Self> {
        let lengths: Option<Vec<usize>> = program.sizes.iter().map(|size| size.checked_mul(batch)).collect();
        let overflow = || Error::new(Kind::DeviceMemory, format!("no memory has room for {batch} images"));
        let lengths = lengths
            .filter(|lengths| lengths.iter().try_fold(0_usize, |sum, length| sum.checked_add(*length)).is_some());
        let lengths = lengths.ok_or_else(overflow)?;
        let mut arena = Arena::default();
        let mut scratch = 0;
        let mut own = Vec::with_capacity(program.steps.len());
        for (step, kernel) in program.steps.iter().zip(kernels) {
            let length = match (kernel, &step.operation) {
                (Kernel::Convolution(convolution), _) => {
                    if keep {
                        scratch = scratch.max(convolution.workspace(batch));
                    }
                    convolution.packed()
                }
                (Kernel::Normalize(normalize), _) => {
                    if keep {
                        scratch = scratch.max(normalize.workspace(lengths[step.inputs[0]] / normalize.channels));
                    }
                    normalize.tables()
                }
                (Kernel::Other, Operation::Scale { run }) => lengths[step.inputs[0]] / run,
                (Kernel::Other, _) => 0,
            };
            own.push(if length > 0 { arena.take(length) } else { 0 });
        }
        let scratch = arena.take(scratch);
        let values = if keep {
            lengths.iter().map(|length| arena.take(*length)).collect()
        } else {
            passing(program, &lengths, &mut arena)
        };
        let gradients = if keep { backwards(program, &lengths, &mut arena) } else { vec![None; lengths.len()] };
        Ok(Self { values, gradients, own, scratch, total: arena.top })
    }
}

/// Whether a value's gradient is asked for by a parameter before it.
pub(super) fn needs_gradient(program: &Program, value: Value) -> bool {
    value > 0 && program.steps[value - 1].needs_gradient
}

/// Places of values that are freed after their last reader.
fn passing(program: &Program, lengths: &[usize], arena: &mut Arena) -> Vec<usize> {
    let mut readers = vec![0_usize; lengths.len()];
    let steps = &program.steps;
    steps.iter().flat_map(|step| &step.inputs).chain(&program.outputs).for_each(|value| readers[*value] += 1);
    let mut places = vec![0; lengths.len()];
    places[0] = arena.take(lengths[0]);
    for (number, step) in steps.iter().enumerate() {
        places[number + 1] = arena.take(lengths[number + 1]);
        for value in &step.inputs {
            readers[*value] -= 1;
            if readers[*value] == 0 {
                arena.give(places[*value], lengths[*value]);
            }
        }
        if readers[number + 1] == 0 {
            arena.give(places[number + 1], lengths[number + 1]);
        }
    }
    places
}

/// Places of gradients, in the order in which they come to be on the way back.
fn backwards(program: &Program, lengths: &[usize], arena: &mut Arena) -> Vec<Option<usize>> {
    let mut places = vec![None; lengths.len()];
    let want = |value: Value, places: &mut Vec<Option<usize>>, arena: &mut Arena| {
        if needs_gradient(program, value) && places[value].is_none() {
            places[value] = Some(arena.take(lengths[value]));
        }
    };
    program.outputs.iter().for_each(|value| want(*value, &mut places, arena));
    for (number, step) in program.steps.iter().enumerate().rev() {
        let Some(place) = places[number + 1] else { continue };
        step.inputs.iter().for_each(|value| want(*value, &mut places, arena));
        arena.give(place, lengths[number + 1]);
    }
    places
}
