//! The layers that losses on features name, and the sizes at which those of student and teacher meet.
//!
//! A vector counts as a map of one position. Where sizes must be equal and are not, the larger map is averaged over windows,
//! which it must be a whole multiple of the smaller for, along height and width each.

use crate::error::{Error, Kind, Result};
use crate::network::{Graph, Shape, pattern};
use crate::tensor::geometry::{Pool, Window};
use crate::tensor::{Backend, Flat, NoneTape, Tape};
use crate::train::parameters::Loss;

/// Which of the two networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The one that learns.
    Student,
    /// The one that it learns from.
    Teacher,
}

impl Side {
    /// As the manifest writes it.
    pub fn name(self) -> &'static str {
        match self {
            Side::Student => "student",
            Side::Teacher => "teacher",
        }
    }
}

/// A layer's output as a loss sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The layer's index.
    pub layer: usize,
    /// Channels, or features of a vector.
    pub channels: usize,
    /// Height and width.
    pub input: [usize; 2],
    /// Height and width after averaging.
    pub output: [usize; 2],
}

/// A layer of the student and one of the teacher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair {
    /// The student's.
    pub student: Place,
    /// The teacher's.
    pub teacher: Place,
}

/// Why layers cannot be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// A name matches no layer, or several.
    Name {
        /// Which of the loss's pairs, from 0.
        pair: usize,
        /// Whose layer.
        side: Side,
        /// The layers that match.
        found: Vec<String>,
    },
    /// The shapes of a pair, or of two pairs, cannot meet.
    Shapes {
        /// The pair, from 0; of two the second.
        pair: usize,
        /// What is the matter.
        message: String,
        /// Whether it is channels that differ: pruning may change these.
        of_channels: bool,
    },
}

impl Problem {
    /// What is the matter, in one sentence without a full stop.
    pub fn message(&self, loss: &Loss) -> String {
        match self {
            Problem::Name { pair, side, found } => {
                let names = &loss.layers()[*pair];
                let written = if *side == Side::Student { &names.student } else { &names.teacher };
                let what = if found.is_empty() { "no layer" } else { "several layers" };
                format!("{what} of the {} match{} `{written}`", side.name(), if found.is_empty() { "es" } else { "" })
            }
            Problem::Shapes { message, .. } => format!("`{}` {message}", loss.name()),
        }
    }
}

/// The layers that `loss` names, or everything that is wrong with them.
///
/// # Errors
/// See [`Problem`].
pub fn pairs(loss: &Loss, student: &Graph, teacher: &Graph) -> Result<Vec<Pair>, Vec<Problem>> {
    let (mut pairs, mut problems) = (Vec::new(), Vec::new());
    let shapes = [student, teacher].map(|graph| graph.shapes().unwrap_or_default());
    for (index, names) in loss.layers().iter().enumerate() {
        let mut find = |side: Side, graph: &Graph, shapes: &[Shape], written: &str| {
            let matching = |layer: &&(usize, &str)| pattern::matches(written, layer.1);
            let all: Vec<(usize, &str)> = graph.layers.iter().map(|layer| layer.name.as_str()).enumerate().collect();
            let found: Vec<(usize, &str)> = all.iter().filter(matching).copied().collect();
            match found[..] {
                [(layer, _)] => shapes.get(layer).map(|shape| place(layer, *shape)),
                _ => {
                    let found = found.into_iter().map(|(_, name)| name.to_owned()).collect();
                    problems.push(Problem::Name { pair: index, side, found });
                    None
                }
            }
        };
        let own = find(Side::Student, student, &shapes[0], &names.student);
        let other = find(Side::Teacher, teacher, &shapes[1], &names.teacher);
        if let (Some(student), Some(teacher)) = (own, other) {
            pairs.push(Pair { student, teacher });
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut fail = |pair, message: String, of_channels| {
        problems.push(Problem::Shapes { pair, message, of_channels });
    };
    match loss {
        Loss::Fitnet { .. } | Loss::Vid { .. } | Loss::Attention { .. } => {
            for (index, Pair { student, teacher }) in pairs.iter_mut().enumerate() {
                if let Err(message) = meet(student, teacher, ["the student's", "the teacher's"]) {
                    fail(index, message, false);
                } else if matches!(loss, Loss::Attention { .. }) && student.output == [1, 1] {
                    fail(index, "compares positions, and there is only one".to_owned(), false);
                }
            }
        }
        Loss::Fsp { .. } => {
            for (index, ends) in pairs.chunks_exact_mut(2).enumerate() {
                let [first, second] = ends else { continue };
                let pair = 2 * index + 1;
                let met = meet(&mut first.student, &mut second.student, ["the student's first", "its second"]);
                let met = met.and_then(|()| {
                    meet(&mut first.teacher, &mut second.teacher, ["the teacher's first", "its second"])
                });
                if let Err(message) = met {
                    fail(pair, message, false);
                }
                for (offset, Pair { student, teacher }) in ends.iter().enumerate() {
                    if student.channels != teacher.channels {
                        let (own, others) = (student.channels, teacher.channels);
                        let message =
                            format!("needs equal numbers of channels, and the student has {own}, the teacher {others}");
                        fail(2 * index + offset, message, true);
                    }
                }
            }
        }
        _ => {}
    }
    if problems.is_empty() { Ok(pairs) } else { Err(problems) }
}

fn place(layer: usize, shape: Shape) -> Place {
    let input = match shape {
        Shape::Map { height, width, .. } => [height, width],
        Shape::Vector { .. } => [1, 1],
    };
    Place { layer, channels: shape.channels(), input, output: input }
}

/// Averages the larger of two maps to the smaller's size.
fn meet(a: &mut Place, b: &mut Place, names: [&str; 2]) -> Result<(), String> {
    let size = [0, 1].map(|axis| a.input[axis].min(b.input[axis]));
    let whole = |place: &Place| (0..2).all(|axis| place.input[axis].is_multiple_of(size[axis]));
    if !whole(a) || !whole(b) {
        let words = |[height, width]: [usize; 2]| format!("{height}x{width}");
        let (first, second) = (words(a.input), words(b.input));
        return Err(format!(
            "cannot compare {} map of {first} with {} of {second}: neither is a whole multiple of the other",
            names[0], names[1]
        ));
    }
    (a.output, b.output) = (size, size);
    Ok(())
}

/// The features of one batch, by layer.
pub struct Features<'a, B: Backend, T> {
    /// The student's, on the tape.
    pub student: &'a [(usize, Flat<B>)],
    /// The teacher's.
    pub teacher: &'a [(usize, Flat<B>)],
    /// Images.
    pub batch: usize,
    /// Where what is done to the student's is recorded.
    pub tape: &'a mut T,
}

impl<B: Backend, T: Tape<f32, B>> Features<'_, B, T> {
    /// Both sides of a pair, (batch, positions, channels), averaged to the size at which they meet.
    ///
    /// # Errors
    /// When a layer was not kept, and when the device fails.
    pub fn of(&mut self, pair: &Pair) -> Result<(Flat<B>, Flat<B>)> {
        let student = averaged(self.student, &pair.student, self.batch, self.tape)?;
        Ok((student, averaged(self.teacher, &pair.teacher, self.batch, &mut NoneTape)?))
    }
}

fn averaged<B: Backend, T: Tape<f32, B>>(
    kept: &[(usize, Flat<B>)],
    place: &Place,
    batch: usize,
    tape: &mut T,
) -> Result<Flat<B>> {
    let found = kept.iter().find(|(layer, _)| *layer == place.layer);
    let (_, value) =
        found.ok_or_else(|| Error::new(Kind::Internal, format!("layer {} was not kept for a loss", place.layer)))?;
    if place.input == place.output {
        return Ok(value.clone());
    }
    let kernel = [0, 1].map(|axis| place.input[axis] / place.output[axis]);
    let window = Window { kernel, stride: kernel, padding: [0, 0], dilation: [1, 1] };
    B::average_pool(value, &Pool { batch, input: place.input, channels: place.channels, window }, tape)
}
