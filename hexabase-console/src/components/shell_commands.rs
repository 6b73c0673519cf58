use maud::{Markup, html};

use super::copyable::copyable_block;
use super::icon::{Icon, icon};
use crate::language::Texts;

/// Command with the same effect as the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShellCommand {
    /// Purpose of the command.
    pub label: String,
    /// Command with all ids filled in, without a prompt sign.
    pub command: String,
}

/// Commands that do the same as the page, at its end.
#[must_use]
pub fn shell_commands(texts: &Texts, commands: &[ShellCommand]) -> Markup {
    html! {
        details class="shell" {
            summary { (icon(Icon::Terminal)) " " (texts.text("shell-commands-title")) }
            @for command in commands {
                p { (command.label) }
                (copyable_block(texts, &command.label, &command.command))
            }
        }
    }
}
