//! Question before an operation that cannot be undone.

use std::io::{BufRead as _, IsTerminal as _};

use hexabase_core::error::{Error, Result};

use crate::command::client::output::print_note;

/// Asks for the name of an object on the terminal.
///
/// # Errors
/// `Invalid` if another name is typed, or if there is no terminal.
pub(super) fn confirm(noun: &str, name: &str) -> Result<()> {
    let input = std::io::stdin();
    if !input.is_terminal() {
        let message = format!("is required to delete the {noun} {name} without a terminal");
        return Err(Error::invalid("--yes", message));
    }
    print_note(&format!("The {noun} {name} and everything in it will be deleted. Type its name to confirm:"));
    let mut typed = String::new();
    let read = input.lock().read_line(&mut typed);
    read.map_err(|error| Error::unavailable("standard input cannot be read").caused_by(error))?;
    check_typed(noun, name, typed.trim_end_matches(['\r', '\n']))
}

fn check_typed(noun: &str, name: &str, typed: &str) -> Result<()> {
    match typed == name {
        true => Ok(()),
        false => Err(Error::invalid(noun, format!("{typed:?} is not {name:?}; nothing was deleted"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_name_confirms() {
        check_typed("workspace", "shop", "shop").unwrap();
        for typed in ["", "y", "yes", "Shop", "shop ", "other"] {
            check_typed("workspace", "shop", typed).unwrap_err();
        }
    }
}
