use hexabase_core::model::OrganizationRole;
use maud::{Markup, html};

use super::badge::role_badge;
use super::button::ButtonKind;
use super::form::{PostForm, post_form};
use super::icon::{Icon, icon};
use super::navigation::NAVIGATION_ID;
use super::search_form::{SearchForm, search_form};
use super::{Link, link_button, name};
use crate::language::Texts;

/// Number of organizations from which on the switcher has a search field.
const SEARCH_FROM: usize = 8;

/// Header of the pages of a signed-in user.
#[derive(Debug, Clone)]
pub struct Header {
    /// Address of the first page.
    pub home_href: String,
    /// Switcher of organizations; `None` outside of all organizations.
    pub switcher: Option<OrganizationSwitcher>,
    /// Form of the search; `None` without search.
    pub search: Option<SearchForm>,
    /// Menu of the user; `None` for pages without a session.
    pub account: Option<AccountMenu>,
}

/// Menu that switches between organizations.
#[derive(Debug, Clone)]
pub struct OrganizationSwitcher {
    /// Name of the page's organization; `None` on pages of none.
    pub current: Option<String>,
    /// Organizations, most recent first.
    pub entries: Vec<OrganizationEntry>,
    /// Address of the page that lists all organizations, with the query parameter `q`.
    pub all_href: String,
    /// Address of the page that creates an organization; `None` if the user cannot.
    pub create_href: Option<String>,
    /// Pending invitations of the user: their page and their number.
    pub invitations: Option<(String, usize)>,
}

/// Organization in the switcher.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrganizationEntry {
    /// Display name.
    pub name: String,
    /// Address of the same section in the organization.
    pub href: String,
    /// Role of the user.
    pub role: OrganizationRole,
    /// `true` for the organization of the page.
    pub is_current: bool,
}

/// Menu of the signed-in user.
#[derive(Debug, Clone)]
pub struct AccountMenu {
    /// Name or e-mail address.
    pub user: String,
    /// Pages of the account.
    pub links: Vec<Link>,
    /// Form that signs out; `None` for users whom another system signed in.
    pub sign_out: Option<PostForm>,
}

/// Header of a page.
#[must_use]
pub(super) fn header(texts: &Texts, product: &str, header: &Header, has_navigation: bool) -> Markup {
    html! {
        header class="top" {
            @if has_navigation {
                button class="button quiet menu-button" type="button" popovertarget=(NAVIGATION_ID) aria-label=(texts.text("navigation-open")) {
                    (icon(Icon::Menu))
                }
            }
            a class="brand" translate="no" href=(header.home_href) { (product) }
            @if let Some(entries) = &header.switcher { (switcher(texts, entries)) }
            @if let Some(form) = &header.search { (search_form(texts, form)) }
            @if let Some(menu) = &header.account { (account(texts, menu)) }
        }
    }
}

fn switcher(texts: &Texts, switcher: &OrganizationSwitcher) -> Markup {
    let none = texts.text("switcher-none");
    let current = switcher.current.as_deref().unwrap_or(&none);
    html! {
        button class="button quiet switcher" type="button" popovertarget="organizations"
            aria-label=(texts.text_with("switcher-label", &[("organization", current.into())])) {
            span class="clip" { (name(current)) } (icon(Icon::Chevron))
        }
        div class="popover" id="organizations" popover {
            @if switcher.entries.len() >= SEARCH_FROM {
                form action=(switcher.all_href) method="get" {
                    input type="search" name="q" aria-label=(texts.text("switcher-search"))
                        placeholder=(texts.text("switcher-search")) data-filter="organization-list";
                    button class="button quiet" type="submit" aria-label=(texts.text("search-start")) { (icon(Icon::Search)) }
                }
            }
            ul id="organization-list" {
                @for entry in &switcher.entries {
                    li {
                        a href=(entry.href) aria-current=[entry.is_current.then_some("true")] {
                            span class="clip" { (name(&entry.name)) } (role_badge(texts, entry.role))
                        }
                    }
                }
            }
            div class="popover-actions" {
                @if let Some((href, count)) = &switcher.invitations {
                    a href=(href) { (texts.text_with("switcher-invitations", &[("count", (*count).into())])) }
                }
                a href=(switcher.all_href) { (texts.text("switcher-all")) }
                @if let Some(href) = &switcher.create_href {
                    (link_button(ButtonKind::Secondary, &texts.text("switcher-create"), href))
                }
            }
        }
    }
}

fn account(texts: &Texts, menu: &AccountMenu) -> Markup {
    html! {
        button class="button quiet account" type="button" popovertarget="account"
            aria-label=(texts.text_with("account-label", &[("user", (&menu.user).into())])) {
            (icon(Icon::User)) span class="clip" { (name(&menu.user)) } (icon(Icon::Chevron))
        }
        div class="popover" id="account" popover {
            p class="popover-title" { (name(&menu.user)) }
            ul {
                @for link in &menu.links { li { a href=(link.href) { (link.label) } } }
                @if let Some(form) = &menu.sign_out {
                    li data-ends-session { (post_form(form, &html! { button type="submit" { (texts.text("account-sign-out")) } })) }
                }
            }
        }
    }
}
