//! Arguments in, exit code out: 0 nothing found or all well, 1 alerts were raised, 2 an error.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match weir::cli::run() {
        Ok(code) => code,
        Err(error) if weir::cli::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("weir: {error:#}");
            ExitCode::from(2)
        }
    }
}
