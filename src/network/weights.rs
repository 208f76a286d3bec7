//! Tensors to and from safetensors.

use std::borrow::Cow;
use std::collections::BTreeMap;

use safetensors::tensor::{Dtype, SafeTensors, View};

use super::model::HostTensor;
use super::parameters::{ParameterSpec, Role};
use super::signature::{self, Signature};
use crate::error::{Error, Kind, Result};

/// How many problems of a file are listed before the rest is only counted.
const LISTED: usize = 20;

impl View for &HostTensor {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.dims
    }

    fn data(&self) -> Cow<'_, [u8]> {
        self.data.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>().into()
    }

    fn data_len(&self) -> usize {
        self.data.len() * size_of::<f32>()
    }
}

/// The tensors as safetensors, sorted by name and without metadata, so that the bytes depend on nothing else.
pub fn encode(tensors: &BTreeMap<String, HostTensor>) -> Result<Vec<u8>> {
    safetensors::serialize(tensors, None)
        .map_err(|error| Error::new(Kind::Internal, format!("tensors could not be written: {error}")))
}

/// The tensors as safetensors, with `signature` in the file's metadata.
///
/// # Errors
/// `Kind::Internal` when they cannot be written.
pub fn encode_with(tensors: &BTreeMap<String, HostTensor>, signature: &Signature) -> Result<Vec<u8>> {
    let internal =
        |error: &dyn std::fmt::Display| Error::new(Kind::Internal, format!("tensors could not be written: {error}"));
    let json = serde_json::to_string(signature).map_err(|error| internal(&error))?;
    let metadata = [(signature::METADATA.to_owned(), json)].into();
    safetensors::serialize(tensors, Some(metadata)).map_err(|error| internal(&error))
}

/// Exactly the tensors that `specs` ask for, or an error of `Kind::Input` that lists all that is wrong.
pub fn decode(bytes: &[u8], specs: &[ParameterSpec]) -> Result<BTreeMap<String, HostTensor>> {
    let file = SafeTensors::deserialize(bytes)
        .map_err(|error| Error::new(Kind::Input, format!("the weights are not a valid safetensors file: {error}")))?;
    let mut problems = Vec::new();
    let mut tensors = BTreeMap::new();
    for spec in specs {
        match read(&file, spec) {
            Ok(tensor) => drop(tensors.insert(spec.name.clone(), tensor)),
            Err(problem) => problems.push(format!("`{}` {problem}", spec.name)),
        }
    }
    let mut extra: Vec<&str> =
        file.names().into_iter().filter(|name| specs.iter().all(|spec| spec.name != *name)).collect();
    extra.sort_unstable();
    problems.extend(extra.iter().map(|name| format!("`{name}` is not part of the network")));
    if problems.is_empty() { Ok(tensors) } else { Err(misfit(problems)) }
}

/// The error that lists `problems`, as many as fit.
pub(super) fn misfit(mut problems: Vec<String>) -> Error {
    let rest = problems.len().saturating_sub(LISTED);
    problems.truncate(LISTED);
    if rest > 0 {
        problems.push(format!("and {rest} more"));
    }
    Error::new(Kind::Input, format!("the weights do not fit the network:\n  {}", problems.join("\n  ")))
}

fn read(file: &SafeTensors, spec: &ParameterSpec) -> Result<HostTensor, String> {
    let Ok(view) = file.tensor(&spec.name) else { return Err("is missing".into()) };
    if view.dtype() != Dtype::F32 {
        return Err(format!("is of type {:?}, not F32", view.dtype()));
    }
    if view.shape() != spec.dims {
        return Err(format!("has shape {:?}, not {:?}", view.shape(), spec.dims));
    }
    let (values, []) = view.data().as_chunks::<4>() else { return Err("is cut off".into()) };
    let data: Vec<f32> = values.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    if spec.dims.iter().product::<usize>() != data.len() {
        return Err("is cut off".into());
    }
    check(spec, &data)?;
    Ok(HostTensor { dims: spec.dims.clone(), data })
}

/// Values must be finite, and variances not negative.
pub(super) fn check(spec: &ParameterSpec, data: &[f32]) -> Result<(), String> {
    if let Some(index) = data.iter().position(|value| !value.is_finite()) {
        return Err(format!("holds {} at {index}", data[index]));
    }
    if spec.role == Role::RunningVariance
        && let Some(index) = data.iter().position(|value| *value < 0.0)
    {
        return Err(format!("holds a variance of {} at {index}", data[index]));
    }
    Ok(())
}
