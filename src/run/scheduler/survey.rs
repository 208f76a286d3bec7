//! What a run begins with: it pins the keys that are known of its plan, so that a collection beside it keeps them.

use std::ops::ControlFlow;

use super::Owner;
use crate::error::Result;
use crate::plan::resolve;
use crate::run::{Event, Request};
use crate::store::{Digest, Pins, Record};

impl Owner<'_> {
    /// Pins the keys of the stages that are `needed`, as far as the results in the store tell them, and lets collections
    /// begin again.
    pub(super) fn survey(&mut self, needed: &[usize]) -> Result<()> {
        let mut records: Vec<Option<Record>> = vec![None; self.request.manifest.stages.len()];
        for stage in needed {
            let resolved = resolve(self.request.manifest, *stage, self.request.digests, &|i| records[i].as_ref());
            if resolved.missing.is_empty() {
                self.pin(resolved.key)?;
                // What cannot be read is told when the stage's turn comes.
                records[*stage] = self.request.store.lookup(&resolved.key).ok().flatten();
            }
        }
        self.pins.settle();
        Ok(())
    }

    /// Pins a key before it is looked up. Waits while garbage is collected, unless the run is to stop.
    pub(super) fn pin(&mut self, key: Digest) -> Result<()> {
        let mut waiting = waiting(self.request, &mut *self.report);
        self.pins.add([key], &mut waiting).map(|_| ())
    }
}

/// Begins a run's pins; `None` when it is to stop before a collection has ended.
pub(super) fn pins<'a>(request: &Request<'a>, run: &str, report: &mut dyn FnMut(&Event)) -> Result<Option<Pins<'a>>> {
    request.store.pins(run, &mut waiting(request, report))
}

fn waiting<'w>(
    request: &'w Request,
    report: &'w mut dyn FnMut(&Event),
) -> impl FnMut(Option<u32>) -> ControlFlow<()> + 'w {
    let mut told = false;
    move |pid| {
        if !std::mem::replace(&mut told, true) {
            let who = pid.map_or(String::new(), |pid| format!(" (process {pid})"));
            report(&Event::Warning { message: format!("waiting while garbage is collected in the store{who}") });
        }
        if request.cancel.is_requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}
