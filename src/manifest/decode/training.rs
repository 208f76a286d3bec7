//! The keys that every training stage has.

use super::{augment, losses, method, penalties};
use crate::manifest::reader::{Reader, Shape};
use crate::manifest::scalar::{Limits, integer, number};
use crate::tensor::engine::Precision;
use crate::train::parameters::{EarlyStop, Optimizer, PeriodicPruning, Schedule, Select, SparsitySchedule, Training};
use crate::train::steps::LastBatch;

/// Reads them. With a teacher the default loss is distillation, without one cross entropy.
pub fn training(reader: &mut Reader, teacher: bool) -> Training {
    let epochs = reader.integer("epochs", 1..=100_000, None);
    let batch = reader.integer("batch", 1..=1 << 20, Some(64));
    let last_batch = reader.choice("last-batch", &LastBatch::WORDS, Some(LastBatch::Even));
    let optimizer = reader.table("optimizer", OPTIMIZER, optimizer);
    let schedule = reader.table("schedule", SCHEDULE, schedule);
    let named = reader.tables("losses", losses::LOSS, losses::loss);
    if named.as_ref().is_some_and(Vec::is_empty) && reader.sound("losses") {
        let span = reader.place("losses");
        reader.diagnostics.error(span, "`losses` is empty").hint("leave it out for the default, or name a loss");
    }
    Training {
        epochs,
        batch,
        last_batch,
        optimizer: optimizer.unwrap_or(Optimizer::Adam {
            lr: 1e-3,
            betas: [0.9, 0.999],
            epsilon: 1e-8,
            weight_decay: 0.0,
            decay_all: false,
        }),
        schedule: schedule.unwrap_or(Schedule::Constant { warmup: 0.0 }),
        losses: named.unwrap_or_else(|| vec![losses::default(teacher)]),
        penalties: reader.tables("penalties", penalties::PENALTY, penalties::penalty).unwrap_or_default(),
        augment: augment::augment(reader),
        clip_norm: reader.optional_number("clip-norm", Limits::POSITIVE),
        select: reader.choice("select", &[("last", Select::Last), ("best", Select::Best)], Some(Select::Last)),
        early_stop: reader.table("early-stop", EARLY_STOP, |r| EarlyStop {
            patience: r.integer("patience", 1..=1_000_000, None),
            minimum_gain: r.number("minimum-gain", Limits::SHARE, Some(0.0)),
        }),
        prune: reader.table("prune", PRUNE, prune),
        precision: reader.choice("precision", &Precision::WORDS, Some(Precision::F32)),
    }
}

const OPTIMIZER: Shape = Shape { what: "an optimizer", example: "{ kind = \"adam\", lr = 1e-3 }" };
const SCHEDULE: Shape = Shape { what: "a schedule", example: "{ kind = \"cosine\" }" };
const EARLY_STOP: Shape = Shape { what: "`early-stop`", example: "{ patience = 5 }" };
const SPARSITY_SCHEDULE: Shape = Shape { what: "a schedule", example: "{ kind = \"agp\", end = 20 }" };
const PRUNE: Shape =
    Shape { what: "`prune`", example: "{ every = 5, method = { kind = \"weights\", sparsity = 0.5 } }" };

fn prune(reader: &mut Reader) -> PeriodicPruning {
    let method = method::needed(reader, true);
    let every = reader.integer("every", 1..=1_000_000, Some(1));
    let schedule = reader.table("schedule", SPARSITY_SCHEDULE, |r| {
        r.kind("kind", &[("agp", ())]);
        SparsitySchedule::Agp {
            initial: r.number("initial", Limits::BELOW_ONE, Some(0.0)),
            begin: r.integer("begin", 0..=1_000_000, Some(0)),
            end: r.integer("end", 1..=1_000_000, None),
        }
    });
    PeriodicPruning { every, method, schedule }
}

#[derive(Clone, Copy)]
enum OptimizerName {
    Sgd,
    Adam,
    Adamw,
}

fn optimizer(reader: &mut Reader) -> Optimizer {
    let names = [("sgd", OptimizerName::Sgd), ("adam", OptimizerName::Adam), ("adamw", OptimizerName::Adamw)];
    let name = reader.kind("kind", &names);
    let adam_defaults = match name {
        OptimizerName::Sgd => {
            return Optimizer::Sgd {
                lr: reader.number("lr", Limits::POSITIVE, None),
                momentum: reader.number("momentum", Limits::BELOW_ONE, Some(0.0)),
                nesterov: reader.boolean("nesterov", false),
                weight_decay: reader.number("weight-decay", Limits::NOT_NEGATIVE, Some(0.0)),
                decay_all: reader.boolean("decay-all", false),
            };
        }
        OptimizerName::Adam => 0.0,
        OptimizerName::Adamw => 0.01,
    };
    let lr = reader.number("lr", Limits::POSITIVE, Some(1e-3));
    let betas = betas(reader);
    let epsilon = reader.number("epsilon", Limits::POSITIVE, Some(1e-8));
    let weight_decay = reader.number("weight-decay", Limits::NOT_NEGATIVE, Some(adam_defaults));
    let decay_all = reader.boolean("decay-all", false);
    match name {
        OptimizerName::Adamw => Optimizer::Adamw { lr, betas, epsilon, weight_decay, decay_all },
        _ => Optimizer::Adam { lr, betas, epsilon, weight_decay, decay_all },
    }
}

fn betas(reader: &mut Reader) -> [f64; 2] {
    match reader.array("betas") {
        None => [0.9, 0.999],
        Some([first, second]) => {
            [first, second].map(|value| number(reader.diagnostics, "betas", value, Limits::BELOW_ONE))
        }
        Some(_) => {
            let span = reader.place("betas");
            reader.diagnostics.error(span, "`betas` needs two numbers").hint("for example `[0.9, 0.999]`");
            [0.9, 0.999]
        }
    }
}

#[derive(Clone, Copy)]
enum ScheduleName {
    Constant,
    Step,
    Cosine,
}

fn schedule(reader: &mut Reader) -> Schedule {
    let names = [("constant", ScheduleName::Constant), ("step", ScheduleName::Step), ("cosine", ScheduleName::Cosine)];
    let name = reader.kind("kind", &names);
    let warmup = reader.number("warmup", Limits::NOT_NEGATIVE, Some(0.0));
    match name {
        ScheduleName::Constant => Schedule::Constant { warmup },
        ScheduleName::Step => {
            let mut milestones = Vec::new();
            match reader.array("milestones") {
                None if !reader.has("milestones") => reader.missing("milestones", "[30, 45]"),
                None => {}
                Some(items) => {
                    for item in items {
                        let epoch = integer(reader.diagnostics, "milestones", item, &(1..=1_000_000));
                        if reader.sound("milestones") && milestones.last().is_some_and(|last| *last >= epoch) {
                            reader
                                .diagnostics
                                .error(item.span, "`milestones` must ascend")
                                .hint("sort them, each once");
                        }
                        milestones.push(epoch);
                    }
                }
            }
            Schedule::Step { warmup, milestones, gamma: reader.number("gamma", Limits::POSITIVE, Some(0.1)) }
        }
        ScheduleName::Cosine => {
            Schedule::Cosine { warmup, final_share: reader.number("final-share", Limits::SHARE, Some(0.0)) }
        }
    }
}
