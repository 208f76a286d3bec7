//! Two-step Ctrl-C: the first signal asks the run to stop at the next step, the second ends the process at once. The
//! handlers only set atomics. A signal that was ignored when the process began stays ignored.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXCPU, SIGXFSZ};
use signal_hook::flag;

use crate::error::{Error, Kind, Result};
use crate::run::Cancel;

/// Installs the handlers.
pub fn install() -> Result<Cancel> {
    let cancel = Cancel::default();
    let register = || -> std::io::Result<()> {
        for signal in [SIGINT, SIGTERM, SIGHUP, SIGXCPU].into_iter().filter(|signal| !is_ignored(*signal)) {
            let code = if signal == SIGINT { Kind::Interrupted } else { Kind::Terminated }.exit_code();
            // The limit on processor time says so once a second, which is not impatience: who set it has a harder one too.
            if signal != SIGXCPU {
                // In this order: at the first signal the flag is not set yet, so the process goes on.
                flag::register_conditional_shutdown(signal, i32::from(code), cancel.requested.clone())?;
            }
            flag::register_usize(signal, cancel.signal.clone(), signal as usize)?;
            flag::register(signal, cancel.requested.clone())?;
        }
        Ok(())
    };
    register().map_err(|error| Error::new(Kind::Internal, format!("cannot install signal handlers: {error}")))?;
    Ok(cancel)
}

/// Makes a write beyond the limit on the size of files (`ulimit -f`) an error, and not the process's end without a word.
pub fn outlive_file_limit() {
    if !is_ignored(SIGXFSZ) {
        // If that fails, all is as it was.
        let _ = flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)));
    }
}

/// Whether whoever started the process made it deaf to `signal`, as `nohup` does with SIGHUP, and a shell
/// without job control with SIGINT where it runs a command by `&`. Where there is no `/proc`,
/// nothing is known of that.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask >> (signal - 1) & 1 == 1
}
