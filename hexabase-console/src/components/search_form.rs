use maud::{Markup, html};

use super::icon::{Icon, icon};
use crate::language::Texts;

/// Form of the search, which a script also opens as a dialog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchForm {
    /// Address of the search page.
    pub href: String,
    /// Names and values of the hidden fields: the organization and workspace of the page.
    pub scope: Vec<(&'static str, String)>,
}

/// Search of the header.
#[must_use]
pub(super) fn search_form(texts: &Texts, form: &SearchForm) -> Markup {
    html! {
        search {
            form class="search" action=(form.href) method="get" data-palette=(texts.text("search-shortcut"))
                data-close=(texts.text("dialog-close")) {
                @for (name, value) in &form.scope { input type="hidden" name=(name) value=(value); }
                button class="button quiet" type="submit" aria-label=(texts.text("search-start")) { (icon(Icon::Search)) }
                input type="search" name="q" aria-label=(texts.text("search-label"))
                    placeholder=(texts.text("search-label")) autocomplete="off";
            }
        }
    }
}
