//! The `bedwatch` binary: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    bedwatch::commands::main()
}
