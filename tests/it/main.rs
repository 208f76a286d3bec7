//! The program from outside: the real binary on real manifests. One binary of tests, so that it links once.
//!
//! - `support`: a folder with a manifest and a store, and the binary run in it
//! - `kddp`: pruning without a trace, on what the pipeline trained
//! - `keys`: what makes a stage run again, and what does not
//! - `data`: `pleach data`, and a user's own images
//! - `server`: an HTTP server on loopback
//! - `manifests`: what is said about manifests that are wrong
//! - `matrix`: sweeps, searches, and how they are shown
//! - `pipelines`: every manifest in `pipelines/`
//! - `repeat`: the same bits for any number of threads and jobs; names and order change nothing
//! - `pruning`: channels and weights that go, and the networks that are left
//! - `python`: exported networks, in PyTorch
//! - `report_page`: the HTML report, in a browser
//! - `reports`: what is counted, named and measured in reports of every format
//! - `resume`: what a longer, changed or repeated run takes over from earlier epochs
//! - `kill`: a run that is killed at any moment goes on
//! - `budget`: how long a run takes, and one that has only so much time
//! - `compare`: reports before anything is evaluated, and held against each other; the best networks of a sweep
//! - `concurrent`: several runs on one store, and a collection beside them
//! - `signals`: Ctrl-C, and being asked to end
//! - `damage`: what is corrupt or missing in the store is made again
//! - `divergence`: losses that are not finite, and what becomes of the other stages
//! - `panics`: a panic inside a stage
//! - `input_files`: data that is missing or changes
//! - `disk`: full disks, read-only and foreign stores, few file descriptors
//! - `power`: what a power cut may cost
//! - `faults`: the table of faults, held against the tests
//! - `store_errors`: an error at every operation on the store
//! - `unwritable`: stores that others made, stores that a group shares, and stores that are only read
//! - `streams`: stdout and stderr that are closed, full or a terminal
//! - `outputs`: files, devices, pipes and links that are written to
//! - `environment`: odd paths, folders and masks
//! - `exit_codes`: the table of exit codes
//! - `expect`: networks held against what a manifest says of them
//! - `hosts`: the same bits on every host
//! - `golden`: a store that an earlier version made
//! - `times`: times under unlike conditions, and seeds that decide nothing
//! - `cache_commands`: the commands that look after the store and take results out of it

#![allow(missing_docs)]
// Tests make their own files; nothing of them has to survive a crash.
#![allow(clippy::disallowed_methods)]

mod budget;
mod cache_commands;
mod compare;
mod concurrent;
mod damage;
mod data;
mod devices;
mod disk;
mod divergence;
mod environment;
mod exit_codes;
mod expect;
mod faults;
mod golden;
mod hosts;
mod house;
mod import;
mod input_files;
mod kddp;
mod keys;
mod kill;
mod manifests;
mod matrix;
mod memory;
mod outputs;
mod panics;
mod pipelines;
#[cfg(feature = "fault-injection")]
mod power;
mod pruning;
mod python;
mod repeat;
mod report_page;
mod reports;
mod resume;
mod schema;
mod server;
mod signals;
mod signature;
#[cfg(feature = "fault-injection")]
mod store_errors;
mod streams;
mod support;
mod times;
mod unwritable;
