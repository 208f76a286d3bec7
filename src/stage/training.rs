//! The work of the stages that train: train, distill, regularize, fine-tune. They differ in where the network comes
//! from; whether there is a teacher and what the loss is, their parameters say.

use super::fit::Fit;
use super::outputs::Outputs;
use super::{Context, Description, Failure, Parameters, fit, inputs, key};
use crate::network::{ClassOrder, Model};
use crate::tensor::Backend;
use crate::train::parameters::Training;
use crate::train::{self, Progress, Task, Tutor};

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
    let has = |role: &str| description.inputs.contains_key(role);
    let goes_on = has("from").then(|| fit::fit(description, "from", &data, context)).transpose()?;
    // A network that goes on keeps its classes, in their order, and its constants.
    let fit = goes_on.unwrap_or_else(|| Fit { signature: fit::signature_of(&data), order: ClassOrder::SAME });
    let images = fit.relabelled(&data.set.train);
    let read = |role: &str| -> Result<(Model, Fit), Failure> {
        Ok((inputs::network(description, role, context)?, fit::fit(description, role, &data, context)?))
    };
    let taught = has("teacher").then(|| read("teacher")).transpose()?;
    let teacher = taught.as_ref().map(|(model, taught)| {
        // Both have the classes of the data.
        let order = ClassOrder::between(&taught.signature.classes, &fit.signature.classes);
        Tutor { model, normalization: taught.normalization(), order: order.unwrap_or(ClassOrder::SAME) }
    });
    context.check_cancelled()?;
    // Inputs are read before training, so that one that is lost is found before an epoch is spent.
    let start = start(description, &data, context)?;
    let fields = key::fields(description);
    (context.progress)(Progress::Normalization(fit.normalization().clone()));
    let task = Task {
        training,
        seed: description.seed,
        images: &images,
        train: &data.train,
        validation: &data.validation,
        normalization: fit.normalization(),
        store: context.store,
        chain: key::chain(&fields),
        stage: key::key(&fields),
        label: context.label,
        teacher_logits: key::teacher_logits(&fields),
        resume: context.resume,
        cancelled: context.cancelled,
        progress: context.progress,
    };
    let trained = train::train(&task, start, teacher.as_ref(), device)?;
    Ok(Outputs::network(&trained.model)?.signature(Some(&fit.signature)).json("history", &trained.history))
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
