//! pleach
pub mod error;
pub mod random;
pub mod store;
