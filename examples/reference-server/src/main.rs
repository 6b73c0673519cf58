//! The Hexabase server.

use std::process::ExitCode;

fn main() -> ExitCode {
    hexabase_server::run()
}
