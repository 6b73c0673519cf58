use maud::{Markup, html};

use super::Link;
use crate::language::Texts;
use crate::numbers::count;

/// Links between the pages of a list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pager {
    /// Address of the first page; `None` on it.
    pub first_href: Option<String>,
    /// Address of the next page; `None` on the last one.
    pub next_href: Option<String>,
    /// Page sizes with the addresses of the first page in that size.
    pub sizes: Vec<(u64, String)>,
    /// Size of this page.
    pub size: u64,
}

/// Links between the pages of a list, by cursor; nothing for a list of one page.
#[must_use]
pub fn pager(texts: &Texts, pager: &Pager) -> Markup {
    let link = |label: String, href: &Option<String>| href.clone().map(|href| Link::new(label, href));
    let links = [
        link(texts.text("pager-first"), &pager.first_href),
        link(texts.text("pager-next"), &pager.next_href),
    ];
    html! {
        @if links.iter().any(Option::is_some) {
            nav class="pager" aria-label=(texts.text("pager-label")) {
                @for link in links.iter().flatten() { a class="button" href=(link.href) { (link.label) } }
                @if !pager.sizes.is_empty() {
                    span class="sizes" {
                        (texts.text("pager-size"))
                        @for (size, href) in &pager.sizes {
                            " "
                            @if *size == pager.size {
                                span aria-current="true" { (count(*size)) }
                            } @else {
                                a href=(href) { (count(*size)) }
                            }
                        }
                    }
                }
            }
        }
    }
}
