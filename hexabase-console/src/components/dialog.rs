use maud::{Markup, html};

use super::button::ButtonKind;
use super::icon::{Icon, icon};
use crate::language::Texts;

/// Dialog that is part of a page.
#[derive(Debug, Clone)]
pub struct Dialog {
    /// Id, unique in the page.
    pub id: String,
    /// Heading.
    pub title: String,
    /// Content, usually a form.
    pub content: Markup,
}

/// Dialog, closed at first. Buttons open and close it without scripts in browsers with invoker commands; in others a
/// script does, and without one the link of [`dialog_link`] leads to the page of the form.
#[must_use]
pub fn dialog(texts: &Texts, dialog: &Dialog) -> Markup {
    let title_id = format!("{}-title", dialog.id);
    html! {
        dialog id=(dialog.id) aria-labelledby=(title_id) {
            div class="card-heading" {
                h2 id=(title_id) { (dialog.title) }
                button class="button quiet" type="button" commandfor=(dialog.id) command="close"
                    aria-label=(texts.text("dialog-close")) { (icon(Icon::Close)) }
            }
            (dialog.content)
        }
    }
}

/// Link to the page of a form, which a script opens as a dialog.
#[must_use]
pub fn dialog_link(kind: ButtonKind, label: &str, href: &str) -> Markup {
    html! { a class=(kind.class()) href=(href) data-dialog { (label) } }
}
