use maud::{Markup, html};

use super::form::{PostForm, post_form};
use super::icon::{Icon, icon};

/// Entry of a menu.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MenuItem {
    /// Link with its label and address.
    Link(String, String),
    /// Form with one button and its label.
    Action(String, PostForm),
    /// Action that is not possible now: its label and the reason.
    Unavailable(String, String),
}

/// Button that opens a menu of further actions. `id` is unique in the page; `label` names the object.
#[must_use]
pub fn menu(id: &str, label: &str, items: &[MenuItem]) -> Markup {
    html! {
        button class="button quiet" type="button" popovertarget=(id) aria-label=(label) { (icon(Icon::More)) }
        div class="popover" id=(id) popover {
            ul {
                @for item in items {
                    li {
                        @match item {
                            MenuItem::Link(label, href) => { a href=(href) { (label) } },
                            MenuItem::Action(label, form) => {
                                (post_form(form, &html! { button type="submit" { (label) } }))
                            },
                            MenuItem::Unavailable(label, reason) => {
                                span class="refused" { (label) span class="reason" { (reason) } }
                            },
                        }
                    }
                }
            }
        }
    }
}
