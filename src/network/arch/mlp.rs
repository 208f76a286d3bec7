//! Fully connected layers with ReLU between: `flatten`, `hidden1`, `hidden1.relu`, ..., `classifier`.

use super::builder::{Builder, count, expect_positive};
use crate::error::Result;

pub(super) fn build(builder: &mut Builder, hidden: &[usize], classes: usize) -> Result<()> {
    expect_positive("hidden", hidden)?;
    let features = count(builder.image())?;
    builder.classifier(hidden, features, classes);
    Ok(())
}
