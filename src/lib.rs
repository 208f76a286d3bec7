//! pleach trains, distils and prunes neural networks from one declarative file. A TOML manifest describes a DAG of
//! stages; pleach plans it, runs what is missing, keeps every result in a content-addressed store, and the next run does
//! again only what changed, and says why.
//!
//! Modules in reading order; a module imports only from those below it (`error`, `number`, `math` and `random` are used everywhere):
//!
//! - [`cli`]: the commands; only here is anything printed or the environment read
//! - [`report`]: plans, results and graphs as text
//! - [`run`]: carrying out a plan: scheduler, workers, events
//! - [`plan`]: what a run would do, and why
//! - [`graph`]: the DAG of stages
//! - [`manifest`]: from the bytes of a file to checked stages
//! - [`expression`]: arithmetic that a manifest writes out
//! - [`stage`]: what each kind of stage reads, writes, is keyed by, and does
//! - [`train`]: the training loop and its parts
//! - [`prune`]: making networks smaller
//! - [`verify`]: a device held against the processor, and against PyTorch
//! - [`network`]: a network as data, and on a device
//! - [`tensor`]: what is added to dfdx
//! - [`data`]: sets, splits, batches
//! - [`store`]: content-addressed objects and action records
//!
//! Files that pleach reads: the manifest, the data sets it names, and the store. Files that it writes: the store
//! (`cache/v1/…`, see [`store`]), what `export` and `init` are asked for, and nothing else.

// Tests make their own files; nothing of them has to survive a crash.
#![cfg_attr(test, allow(clippy::disallowed_methods))]

pub mod cli;
pub mod data;
pub mod error;
pub mod expression;
pub mod graph;
pub mod manifest;
pub mod math;
pub mod network;
pub mod number;
pub mod plan;
pub mod prune;
pub mod random;
#[doc(hidden)]
pub mod readers;
pub mod report;
pub mod run;
pub mod stage;
pub mod store;
pub mod tensor;
pub mod train;
pub mod verify;
