//! The program from outside: the real binary on real manifests. One binary of tests, so that it links once.
//!
//! - `support`: a folder with a manifest and a store, and the binary run in it
//! - `kddp`: pruning without a trace, on what the pipeline trained
//! - `keys`: what makes a stage run again, and what does not
//! - `manifests`: what is said about manifests that are wrong
//! - `pipelines`: every manifest in `pipelines/`

#![allow(missing_docs)]
// Tests make their own files; nothing of them has to survive a crash.
#![allow(clippy::disallowed_methods)]

mod kddp;
mod keys;
mod manifests;
mod pipelines;
mod support;
