//! The `stateward` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    stateward::cli::run()
}
