//! Two-step Ctrl-C: the first signal asks the run to stop at the next step, the second ends the process at once. The
//! handlers only set atomics.

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

use crate::error::{Error, Kind, Result};
use crate::run::Cancel;

/// Installs the handlers.
pub fn install() -> Result<Cancel> {
    let cancel = Cancel::default();
    let register = || -> std::io::Result<()> {
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            if signal == SIGHUP && is_ignored(signal) {
                continue;
            }
            let code = if signal == SIGINT { Kind::Interrupted } else { Kind::Terminated }.exit_code();
            // In this order: at the first signal the flag is not set yet, so the process goes on.
            flag::register_conditional_shutdown(signal, i32::from(code), cancel.requested.clone())?;
            flag::register_usize(signal, cancel.signal.clone(), signal as usize)?;
            flag::register(signal, cancel.requested.clone())?;
        }
        Ok(())
    };
    register().map_err(|error| Error::new(Kind::Internal, format!("cannot install signal handlers: {error}")))?;
    Ok(cancel)
}

/// Whether whoever started the process made it deaf to `signal`, as `nohup` does with SIGHUP. Where there is no `/proc`,
/// nothing is known of that.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask >> (signal - 1) & 1 == 1
}
