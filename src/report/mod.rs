//! What people read: functions of plans, results and graphs that return text. Nothing here prints.
//!
//! - `results`: the measurements of a pipeline, gathered from its records;
//! - `groups`: results that differ only in their seed taken together; `compared`: methods held against each other;
//!   `statistics`: what few measurements allow to be said; `collapse`: whether a network answers without looking;
//! - `table`: all that as text; `markdown`: as a comment on a change; `csv`: it for programs;
//! - `times`: times with the conditions under which they were measured;
//! - `best`: the best networks of a sweep; `against`: two reports held against each other;
//! - `training`: what training came to, before anything is evaluated; `stored`: the results of a store as a list;
//! - `expect`: results held against what `[expect]` says;
//! - `document`: everything as one JSON document; `html`: a page that shows it;
//! - `plan`, `explain`, `graph`, `layers`: the answers of the commands with those names.

pub mod against;
pub mod best;
mod collapse;
pub mod compared;
pub mod csv;
pub mod document;
pub mod expect;
pub mod explain;
pub mod graph;
pub mod groups;
pub mod html;
pub mod layers;
pub mod markdown;
pub mod plan;
pub mod results;
mod statistics;
pub mod stored;
pub mod table;
mod times;
pub mod training;

pub use crate::number::{bytes, count, duration};
