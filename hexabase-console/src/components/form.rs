use std::fmt;

use maud::{Markup, html};

use super::button::{ButtonKind, link_button, submit_button};
use crate::language::Texts;

/// Target of a form that changes something.
#[derive(Clone, PartialEq, Eq)]
pub struct PostForm {
    /// Path that the form is sent to.
    pub action: String,
    /// Names and values of the hidden fields, such as the CSRF token, which must not be logged.
    pub hidden: Vec<(&'static str, String)>,
}

impl fmt::Debug for PostForm {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.hidden.iter().map(|(name, _)| name).collect();
        out.debug_struct("PostForm").field("action", &self.action).field("hidden", &names).finish()
    }
}

/// Form with its hidden fields, sent with `POST`.
#[must_use]
pub fn post_form(form: &PostForm, content: &Markup) -> Markup {
    html! {
        form class="form" method="post" action=(form.action) data-submit novalidate {
            @for (name, value) in &form.hidden {
                input type="hidden" name=(name) value=(value);
            }
            (content)
        }
    }
}

/// Form of filters, sent with `GET`, so that they are part of the address.
#[must_use]
pub fn get_form(action: &str, content: &Markup) -> Markup {
    html! { form class="filters" method="get" action=(action) { (content) } }
}

/// Buttons at the end of a form: the action, and a link that leaves the form.
#[must_use]
pub fn form_actions(texts: &Texts, kind: ButtonKind, label: &str, cancel_href: &str) -> Markup {
    html! {
        div class="form-actions" {
            (submit_button(texts, kind, label))
            (link_button(ButtonKind::Secondary, &texts.text("button-cancel"), cancel_href))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_has_no_values_of_hidden_fields() {
        let form = PostForm { action: "/x".to_owned(), hidden: vec![("csrf", "secret".to_owned())] };
        assert_eq!(format!("{form:?}"), r#"PostForm { action: "/x", hidden: ["csrf"] }"#);
    }
}
