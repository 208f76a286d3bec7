//! What people read: functions of plans, results and graphs that return text. Nothing here prints.
//!
//! - `results`: the measurements of a pipeline, gathered from its records;
//! - `table`: one evaluation as a table;
//! - `sweep`: groups over seeds, and methods held against each other; `sweep_table`: them as tables; `statistics`: what few
//!   measurements allow to be said;
//! - `times`: times with the conditions under which they were measured;
//! - `document`: everything as one JSON document; `html`: a page that shows it;
//! - `plan`, `explain`, `graph`: the answers of the commands with those names;
//! - `number`: numbers as people write them.

pub mod document;
pub mod explain;
pub mod graph;
pub mod html;
mod number;
pub mod plan;
pub mod results;
mod statistics;
pub mod sweep;
pub mod sweep_table;
pub mod table;
mod times;

pub use number::{bytes, count, duration};
