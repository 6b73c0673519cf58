//! Program `hexabase`.

use std::process::ExitCode;

// Rendering and responding allocate and free many small values; see docs/adr/0005-server-allocator.md.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    hexabase_server::run()
}
