use maud::{Markup, html};

use super::icon::{Icon, icon};
use crate::language::Texts;

/// Short code with a button that copies it.
#[must_use]
pub fn copyable(texts: &Texts, code: &str) -> Markup {
    html! {
        span class="copyable" { code { (code) } (copy_button(texts, code)) }
    }
}

/// Code of several lines with a button that copies it. The region can be scrolled with the keyboard.
#[must_use]
pub fn copyable_block(texts: &Texts, label: &str, code: &str) -> Markup {
    html! {
        div class="copyable block" {
            div class="scrolled" tabindex="0" role="group" aria-label=(label) { pre { code { (code) } } }
            (copy_button(texts, label))
        }
    }
}

/// Id of an object, in monospace and with a button that copies it.
#[must_use]
pub fn id(texts: &Texts, id: &str) -> Markup {
    html! { span class="copyable id" { code { (id) } (copy_button(texts, id)) } }
}

/// Button that a script shows and that copies the code before it.
fn copy_button(texts: &Texts, subject: &str) -> Markup {
    html! {
        button class="button quiet copy" type="button" data-copy data-copied=(texts.text("copy-copied"))
            aria-label=(texts.text_with("copy-label", &[("code", subject.into())])) hidden { (icon(Icon::Copy)) }
    }
}
