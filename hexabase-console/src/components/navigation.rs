use maud::{Markup, html};

use super::icon::{Icon, icon};
use super::name;
use crate::language::Texts;

/// Group of entries of the navigation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NavigationSection {
    /// Heading, such as the name of a workspace; `None` for the first section.
    pub heading: Option<String>,
    /// Entries, in order.
    pub items: Vec<NavigationItem>,
}

/// Entry of the navigation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NavigationItem {
    /// Icon before the label.
    pub icon: Icon,
    /// Label.
    pub label: String,
    /// Address.
    pub href: String,
    /// `true` if the page belongs to this entry.
    pub is_current: bool,
}

/// Id of the navigation, which the menu button of the header opens on narrow screens.
pub(super) const NAVIGATION_ID: &str = "navigation";

/// Navigation: a column on wide screens, a sheet on narrow ones.
#[must_use]
pub(super) fn navigation(texts: &Texts, sections: &[NavigationSection]) -> Markup {
    html! {
        nav class="navigation" id=(NAVIGATION_ID) popover aria-label=(texts.text("navigation-label")) {
            @for section in sections {
                @if let Some(heading) = &section.heading { h2 { (name(heading)) } }
                ul {
                    @for item in &section.items {
                        li {
                            a href=(item.href) aria-current=[item.is_current.then_some("page")] {
                                (icon(item.icon)) span { (item.label) }
                            }
                        }
                    }
                }
            }
        }
    }
}
