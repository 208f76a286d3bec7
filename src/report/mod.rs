//! What people read: functions of plans, results and graphs that return text. Nothing here prints.
//!
//! - `results`: the measurements of a pipeline, gathered from its records;
//! - `table`: them as a table;
//! - `plan`, `explain`, `graph`: the answers of the commands with those names;
//! - `number`: numbers as people write them.

pub mod explain;
pub mod graph;
pub mod html;
mod number;
pub mod plan;
pub mod results;
pub mod table;

pub use number::{bytes, count, duration};
