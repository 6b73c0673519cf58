//! Command `completions`: completion of commands and options in shells.

use std::io::Write as _;

use clap::{Args, Command};
use clap_complete::Shell;
use hexabase_core::error::{Error, Result};

/// Print the completions of this program for a shell.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  source <(hexabase completions bash)\n  hexabase completions zsh >~/.zfunc/_hexabase\n  hexabase completions fish >~/.config/fish/completions/hexabase.fish"
)]
pub(crate) struct Completions {
    /// Shell.
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    /// Prints the completions of a command.
    ///
    /// # Errors
    /// `Unavailable` if standard output is closed.
    pub(crate) fn execute(&self, mut command: Command) -> Result<()> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command, "hexabase", &mut script);
        let mut out = std::io::stdout().lock();
        let written = out.write_all(&script).and_then(|()| out.flush());
        written.map_err(|error| Error::unavailable("standard output is closed").caused_by(error))
    }
}
