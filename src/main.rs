//! Arguments in, exit code out: 0 nothing found or all well, 1 alerts were raised, 2 an error.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Freed memory goes back to the system after so many milliseconds; at the default of 10, batches that come and go cost
/// a fifth of all time in page faults.
const KEEP_MEMORY: std::ffi::c_long = 10_000;
/// `mi_option_purge_delay` of mimalloc 3's `mi_option_e`, which the crate does not name.
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;

#[expect(unsafe_code, reason = "the allocator's options are set through its C interface")]
fn main() -> ExitCode {
    // SAFETY: the call takes two numbers and may be made at any time; an unknown option is ignored.
    unsafe { libmimalloc_sys::mi_option_set_default(PURGE_DELAY, KEEP_MEMORY) };
    match weir::cli::run() {
        Ok(code) => code,
        Err(error) if weir::cli::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("weir: {}", weir::cli::message(&error));
            ExitCode::from(2)
        }
    }
}
