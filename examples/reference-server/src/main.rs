//! The Hexabase server.

use std::process::ExitCode;

// Rendering and answering make and drop many small values; see docs/adr/0005-the-allocator.md.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    hexabase_server::run()
}
