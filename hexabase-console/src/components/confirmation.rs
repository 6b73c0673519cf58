use maud::{Markup, html};

use super::button::{ButtonKind, submit_button};
use super::form::{PostForm, post_form};
use crate::language::Texts;

/// Button of an action that ends something for good: it opens the consequence, and the button that performs the action.
/// Works without scripts.
#[must_use]
pub fn confirmation(texts: &Texts, label: &str, consequence: &str, form: &PostForm) -> Markup {
    html! {
        details class="confirmation" {
            summary class="button" { (label) }
            div {
                p { (consequence) }
                (post_form(form, &submit_button(texts, ButtonKind::Danger, &texts.text("button-confirm"))))
            }
        }
    }
}
