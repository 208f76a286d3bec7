//! pleach
pub mod error;
pub mod network;
pub mod random;
pub mod tensor;
