//! Two-step Ctrl-C: the first signal asks the run to stop at the next step, the second ends the process at once. The
//! handlers only set atomics.

use std::sync::atomic::Ordering;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

use crate::error::{Error, Kind, Result};
use crate::run::Cancel;

/// Installs the handlers.
pub fn install() -> Result<Cancel> {
    let cancel = Cancel::default();
    let register = || -> std::io::Result<()> {
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            let code = if signal == SIGINT { Kind::Interrupted } else { Kind::Terminated }.exit_code();
            // In this order: at the first signal the flag is not set yet, so the process goes on.
            flag::register_conditional_shutdown(signal, i32::from(code), cancel.requested.clone())?;
            flag::register_usize(signal, cancel.signal.clone(), signal as usize)?;
            flag::register(signal, cancel.requested.clone())?;
        }
        Ok(())
    };
    register().map_err(|error| Error::new(Kind::Internal, format!("cannot install signal handlers: {error}")))?;
    cancel.signal.store(0, Ordering::Relaxed);
    Ok(cancel)
}
