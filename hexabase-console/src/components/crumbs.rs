use maud::{Markup, html};

use super::Link;
use crate::language::Texts;

/// Path to a page: links to its ancestors, then the page itself.
#[must_use]
pub fn crumbs(texts: &Texts, ancestors: &[Link], page: &str) -> Markup {
    html! {
        nav class="crumbs" aria-label=(texts.text("crumbs-label")) {
            ol {
                @for link in ancestors {
                    li { a href=(link.href) { bdi { (link.label) } } }
                }
                li { span aria-current="page" { bdi { (page) } } }
            }
        }
    }
}
