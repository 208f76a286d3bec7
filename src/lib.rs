//! pleach
pub mod data;
pub mod error;
pub mod network;
pub mod random;
pub mod tensor;
