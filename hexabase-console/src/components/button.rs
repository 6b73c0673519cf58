use maud::{Markup, html};

use crate::language::Texts;

/// Emphasis of a button.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ButtonKind {
    /// Main action of the page.
    Primary,
    /// Any other action.
    #[default]
    Secondary,
    /// Action that destroys something.
    Danger,
}

impl ButtonKind {
    pub(super) const fn class(self) -> &'static str {
        match self {
            Self::Primary => "button primary",
            Self::Secondary => "button",
            Self::Danger => "button danger",
        }
    }
}

/// Button that sends its form. While the form is being sent, a script disables it and shows a text of progress.
#[must_use]
pub fn submit_button(texts: &Texts, kind: ButtonKind, label: &str) -> Markup {
    html! {
        button class=(kind.class()) type="submit" data-busy=(texts.text("button-busy")) { (label) }
    }
}

/// Link that looks like a button.
#[must_use]
pub fn link_button(kind: ButtonKind, label: &str, href: &str) -> Markup {
    html! { a class=(kind.class()) href=(href) { (label) } }
}

/// Button of an action that is not possible now, with the reason. `id` is unique in the page.
#[must_use]
pub fn disabled_button(id: &str, label: &str, reason: &str) -> Markup {
    html! {
        span class="refused" {
            button class="button" type="button" aria-disabled="true" aria-describedby=(id) { (label) }
            span class="reason" id=(id) { (reason) }
        }
    }
}
