use maud::{Markup, html};

use super::button::ButtonKind;
use super::field::{Field, field};
use super::form::{PostForm, form_actions, post_form};
use super::icon::{Icon, icon};
use crate::language::Texts;

/// Confirmation of an action that destroys something.
#[derive(Debug, Clone)]
pub struct DangerForm {
    /// Target of the form. The server compares the typed name.
    pub form: PostForm,
    /// Heading, such as "Delete the workspace web".
    pub title: String,
    /// Consequences, counted by the server.
    pub consequences: Vec<String>,
    /// Name to type into the field `confirm_name`; `None` if no typing is needed.
    pub typed_name: Option<String>,
    /// Error of the typed name.
    pub error: Option<String>,
    /// Label of the button: verb and object.
    pub button: String,
    /// Page to return to without the action.
    pub cancel_href: String,
}

/// Confirmation of an action that destroys something. The field never keeps a mistyped name.
#[must_use]
pub fn danger_form(texts: &Texts, danger: &DangerForm) -> Markup {
    let content = html! {
        @if let Some(name) = &danger.typed_name {
            // Enter in the field uses the first button, and does nothing if that is disabled: only the button confirms.
            button type="submit" disabled hidden {}
            (field(texts, &Field::line("confirm_name", texts.text_with("danger-type-name", &[("name", name.into())]))
                .error(danger.error.clone())
                .required()))
        }
        (form_actions(texts, ButtonKind::Danger, &danger.button, &danger.cancel_href))
    };
    html! {
        section class="card danger-zone" {
            div class="card-heading" { h2 { (icon(Icon::Warning)) " " (danger.title) } }
            @if !danger.consequences.is_empty() {
                p { (texts.text("danger-consequences")) }
                ul { @for consequence in &danger.consequences { li { (consequence) } } }
            }
            (post_form(&danger.form, &content))
        }
    }
}
