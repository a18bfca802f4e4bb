//! The `rmap-diff` command; everything it does is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    rmap_diff::cli::main()
}
