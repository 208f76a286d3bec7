//! Weights from elsewhere: a safetensors file with PyTorch's tensor names, as torchvision's networks have them.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use safetensors::tensor::{Dtype, SafeTensors, TensorView, View};

use super::weights;
use super::{Graph, Model};
use crate::error::{Error, Kind, Result};

/// PyTorch counts the batches that a normalization has seen, and nothing here needs to know.
const COUNTER: &str = "num_batches_tracked";

impl Model {
    /// The network `graph` with the weights of a safetensors file. Tensors called `….num_batches_tracked` are ignored;
    /// values of 64 and 16 bits (f64, f16, bf16) are brought to 32.
    ///
    /// # Errors
    /// `Kind::Input` with all that is wrong at once: tensors that are missing, extra, of the wrong shape or type, and
    /// values that are not finite or become so in 32 bits.
    pub fn import(graph: Graph, file: &[u8]) -> Result<Model> {
        // A panic in a parser of foreign bytes must not take the process down.
        catch_unwind(AssertUnwindSafe(|| {
            let tensors = weights::decode(&translate(file)?, &graph.parameters())?;
            Ok(Model { graph, tensors, masks: Default::default() })
        }))
        .unwrap_or_else(|_| Err(Error::new(Kind::Input, "the weights could not be read: a parser panicked")))
    }
}

/// The file as pleach itself would have written it: without counters, and in f32 what can be.
fn translate(file: &[u8]) -> Result<Vec<u8>> {
    let malformed = |error: safetensors::SafeTensorError| {
        Error::new(Kind::Input, format!("the weights are not a valid safetensors file: {error}"))
    };
    let tensors = SafeTensors::deserialize(file).map_err(malformed)?;
    let wanted = tensors.iter().filter(|(name, _)| name.rsplit('.').next() != Some(COUNTER));
    safetensors::serialize(wanted.map(|(name, view)| (name.to_owned(), Translated(view))), None).map_err(malformed)
}

/// A tensor of the file, as f32 where it has another type of floating-point numbers.
struct Translated<'a>(TensorView<'a>);

/// How a value is read from its bytes.
type Read = fn(&[u8]) -> f32;

impl Translated<'_> {
    /// The bytes of one value, and how it is read; none for what stays as it is.
    fn conversion(&self) -> Option<(usize, Read)> {
        match self.0.dtype() {
            Dtype::F64 => Some((8, |bytes| f64::from_le_bytes(bytes.try_into().expect("eight bytes")) as f32)),
            Dtype::F16 => Some((2, |bytes| from_half(u16::from_le_bytes([bytes[0], bytes[1]])))),
            // The upper half of an f32.
            Dtype::BF16 => Some((2, |bytes| f32::from_le_bytes([0, 0, bytes[0], bytes[1]]))),
            _ => None,
        }
    }
}

impl View for Translated<'_> {
    fn dtype(&self) -> Dtype {
        if self.conversion().is_some() { Dtype::F32 } else { self.0.dtype() }
    }

    fn shape(&self) -> &[usize] {
        self.0.shape()
    }

    fn data(&self) -> Cow<'_, [u8]> {
        match self.conversion() {
            None => self.0.data().into(),
            Some((size, read)) => {
                self.0.data().chunks_exact(size).flat_map(|bytes| read(bytes).to_le_bytes()).collect::<Vec<u8>>().into()
            }
        }
    }

    fn data_len(&self) -> usize {
        let length = self.0.data().len();
        self.conversion().map_or(length, |(size, _)| length / size * size_of::<f32>())
    }
}

/// The number that 16 bits stand for: sign, 5 bits of exponent, 10 of fraction (IEEE 754 binary16). Exact.
fn from_half(bits: u16) -> f32 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f32::from(bits & 1023));
    sign * match (exponent, fraction) {
        (31, 0.0) => f32::INFINITY,
        (31, _) => f32::NAN,
        (0, fraction) => fraction * 2f32.powi(-24),
        (exponent, fraction) => (1024.0 + fraction) * 2f32.powi(exponent - 25),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::network::arch::Architecture;

    /// Tensors to be written: type, shape, bytes.
    type File = BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>;

    fn graph() -> Graph {
        serde_json::from_str::<Architecture>(r#"{"arch":"mlp","hidden":[3]}"#).unwrap().build([2, 2, 1], 2).unwrap()
    }

    fn model() -> Model {
        Model::initialise(graph(), 1).unwrap()
    }

    fn file() -> File {
        let bytes = |data: &[f32]| data.iter().flat_map(|value| value.to_le_bytes()).collect();
        let tensors = model().tensors.into_iter();
        tensors.map(|(name, tensor)| (name, (Dtype::F32, tensor.dims, bytes(&tensor.data)))).collect()
    }

    fn import(file: &File) -> Result<Model> {
        let views = file.iter().map(|(name, (dtype, shape, bytes))| {
            (name.clone(), TensorView::new(*dtype, shape.clone(), bytes).unwrap())
        });
        Model::import(graph(), &safetensors::serialize(views, None).unwrap())
    }

    #[test]
    fn what_was_exported_comes_back_with_or_without_counters() {
        assert!(import(&file()).unwrap() == model());
        let mut counted = file();
        counted.insert("bn1.num_batches_tracked".into(), (Dtype::I64, vec![], vec![0; 8]));
        assert!(import(&counted).unwrap() == model());
        assert!(Model::import(graph(), &model().weights().unwrap()).unwrap() == model());
    }

    #[test]
    fn other_widths_are_brought_to_32_bits() {
        let bias = |dtype, bytes: Vec<u8>| {
            let mut file = file();
            file.insert("hidden1.bias".into(), (dtype, vec![3], bytes));
            import(&file).map(|model| model.tensors["hidden1.bias"].data.clone())
        };
        let doubles = [0.1f64, -2.0, 1e-30].iter().flat_map(|value| value.to_le_bytes()).collect();
        assert_eq!(bias(Dtype::F64, doubles).unwrap(), [0.1, -2.0, 1e-30]);
        let shorts = |values: [u16; 3]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
        assert_eq!(bias(Dtype::BF16, shorts([0x3f80, 0xc040, 0])).unwrap(), [1.0, -3.0, 0.0]);
        assert_eq!(bias(Dtype::F16, shorts([0x3c00, 0xc500, 0x0001])).unwrap(), [1.0, -5.0, 2f32.powi(-24)]);
        assert_eq!(bias(Dtype::F16, shorts([0x7bff, 0x3555, 0x8000])).unwrap(), [65504.0, 0.333_251_95, 0.0]);
        for infinite in [bias(Dtype::F16, shorts([0x7c00, 0, 0])), bias(Dtype::F64, 1e300f64.to_le_bytes().repeat(3))] {
            assert!(infinite.unwrap_err().message.contains("`hidden1.bias` holds inf at 0"));
        }
    }

    #[test]
    fn everything_that_is_wrong_is_listed_at_once() {
        let mut wrong = file();
        wrong.remove("hidden1.bias");
        wrong.insert("extra.weight".into(), (Dtype::F32, vec![1], vec![0; 4]));
        wrong.insert("hidden1.weight".into(), (Dtype::F32, vec![4, 3], vec![0; 48]));
        let names: Vec<String> = wrong.keys().cloned().collect();
        let last = names.iter().filter(|name| !name.contains("hidden1") && !name.contains("extra"));
        let [bias, weight] = last.collect::<Vec<_>>()[..] else { panic!("{names:?}") };
        wrong.insert(bias.clone(), (Dtype::I32, vec![2], vec![0; 8]));
        wrong.insert(weight.clone(), (Dtype::F32, vec![2, 3], f32::NAN.to_le_bytes().repeat(6)));
        insta::assert_snapshot!(import(&wrong).unwrap_err().message, @"
        the weights do not fit the network:
          `hidden1.weight` has shape [4, 3], not [3, 4]
          `hidden1.bias` is missing
          `classifier.weight` holds NaN at 0
          `classifier.bias` is of type I32, not F32
          `extra.weight` is not part of the network
        ");
    }

    #[test]
    fn what_is_no_safetensors_file_is_an_error() {
        let whole = model().weights().unwrap();
        let errors: Vec<String> = [&b"not weights"[..], b"", &whole[..whole.len() - 1], &[0xff; 64]]
            .map(|bytes| Model::import(graph(), bytes).unwrap_err().message)
            .to_vec();
        insta::assert_snapshot!(errors.join("\n"), @"
        the weights are not a valid safetensors file: header too large
        the weights are not a valid safetensors file: header too small
        the weights are not a valid safetensors file: incomplete metadata, file not fully covered
        the weights are not a valid safetensors file: header too large
        ");
    }
}
