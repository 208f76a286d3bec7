//! The work of the stages that train: train, distill, regularize, fine-tune. They differ in where the network comes
//! from; whether there is a teacher and what the loss is, their parameters say.

use super::outputs::Outputs;
use super::{Context, Description, Failure, Parameters, inputs, key};
use crate::network::Model;
use crate::tensor::Backend;
use crate::train::parameters::Training;
use crate::train::{self, Task};

/// Trains, and hands over `network`, `weights`, `masks` and `history`.
///
/// # Errors
/// See [`Failure`].
pub fn train<B: Backend>(
    description: &Description,
    training: &Training,
    context: &Context,
    device: &B,
) -> Result<Outputs, Failure> {
    let data = inputs::needed_data(description, context)?;
    let has_teacher = description.inputs.contains_key("teacher");
    let teacher = has_teacher.then(|| inputs::network(description, "teacher", context)).transpose()?;
    context.check_cancelled()?;
    // Inputs are read before training, so that one that is lost is found before an epoch is spent.
    let start = start(description, &data, context)?;
    let fields = key::fields(description);
    let task = Task {
        training,
        seed: description.seed,
        images: &data.set.train,
        train: &data.train,
        validation: &data.validation,
        normalization: &data.normalization,
        store: context.store,
        chain: key::chain(&fields),
        stage: key::key(&fields),
        teacher_logits: key::teacher_logits(&fields),
        resume: context.resume,
        cancelled: context.cancelled,
        progress: context.progress,
    };
    let trained = train::train(&task, start, teacher.as_ref(), device)?;
    Ok(Outputs::network(&trained.model)?.json("history", &trained.history))
}

/// The network as it is before the first epoch.
fn start(description: &Description, data: &inputs::Prepared, context: &Context) -> Result<Model, Failure> {
    match &description.parameters {
        Parameters::Train { network, .. } | Parameters::Distill { network, .. } => {
            let graph = match network {
                Some(architecture) => architecture.build(data.set.train.shape, data.set.classes())?,
                None => inputs::graph(description, "like", context)?,
            };
            Ok(Model::initialise(graph, description.seed)?)
        }
        _ => inputs::network(description, "from", context),
    }
}
