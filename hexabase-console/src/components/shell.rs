use maud::{DOCTYPE, Markup, html};

use super::appearance::Appearance;
use super::crumbs::crumbs;
use super::header::{Header, header};
use super::navigation::{NavigationSection, navigation};
use super::{Link, name};
use crate::language::Texts;

/// Frame of a page.
#[derive(Debug, Clone)]
pub struct Shell {
    /// Name of the product.
    pub product: String,
    /// Title of the page and of the objects that it belongs to, most specific first: "Members", "Acme". The first one is
    /// the last breadcrumb.
    pub title: Vec<String>,
    /// `true` if a form of the page has errors, which the title then begins with.
    pub has_errors: bool,
    /// Colours, time zone and density.
    pub appearance: Appearance,
    /// Addresses of the stylesheets.
    pub stylesheets: Vec<String>,
    /// Address of the icon of the site; `None` for none, for which browsers ask at `/favicon.ico`.
    pub icon: Option<String>,
    /// Address of the entry module of the scripts; `None` without scripts.
    pub script: Option<String>,
    /// Address to continue at immediately, for redirects to other sites after a form; `None` for none.
    pub continue_at: Option<String>,
    /// Interval in seconds at which browsers without scripts load the page again, while something on it is in progress;
    /// `None` for pages that do not change. Never set on pages with forms.
    pub refresh_seconds: Option<u8>,
    /// Header; `None` for pages outside of a session.
    pub header: Option<Header>,
    /// Sections of the navigation; empty for none.
    pub navigation: Vec<NavigationSection>,
    /// Ancestors of the page; empty for pages without breadcrumbs.
    pub ancestors: Vec<Link>,
    /// Message about the last action.
    pub flash: Option<Markup>,
    /// Links at the end of the page.
    pub footer: Vec<Link>,
}

/// Page in its frame, as a complete document.
#[must_use]
pub fn shell(texts: &Texts, shell: &Shell, content: &Markup) -> Markup {
    let page = shell.title.first().map_or("", String::as_str);
    let has_navigation = !shell.navigation.is_empty();
    let appearance = &shell.appearance;
    html! {
        (DOCTYPE)
        html lang=(texts.language().tag()) data-theme=[appearance.theme.as_str()] data-zone=[appearance.zone.as_str()]
            data-density=[appearance.density.as_str()] {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (document_title(texts, shell)) }
                @for href in &shell.stylesheets { link rel="stylesheet" href=(href); }
                @if let Some(href) = &shell.icon { link rel="icon" type="image/svg+xml" href=(href); }
                @if let Some(href) = &shell.script { script type="module" src=(href) {} }
                @if let Some(href) = &shell.continue_at { meta http-equiv="refresh" content={ "0;url=" (href) }; }
                @if let Some(seconds) = shell.refresh_seconds {
                    noscript { meta http-equiv="refresh" content=(seconds); }
                }
            }
            body class=[shell.header.is_none().then_some("plain")] {
                a class="skip" href="#main" { (texts.text("shell-skip")) }
                @if let Some(data) = &shell.header { (header(texts, &shell.product, data, has_navigation)) }
                div class="frame" {
                    @if has_navigation { (navigation(texts, &shell.navigation)) }
                    main id="main" tabindex="-1" {
                        @if !shell.ancestors.is_empty() { (crumbs(texts, &shell.ancestors, page)) }
                        @if let Some(flash) = &shell.flash { (flash) }
                        (content)
                    }
                }
                footer {
                    span { (name(&shell.product)) }
                    @for link in &shell.footer { a href=(link.href) { (link.label) } }
                }
            }
        }
    }
}

/// Title of the document: `Members · Acme · Hexabase`.
fn document_title(texts: &Texts, shell: &Shell) -> String {
    let parts: Vec<_> = shell.title.iter().chain([&shell.product]).map(String::as_str).collect();
    let title = parts.join(" · ");
    if shell.has_errors { texts.text_with("shell-error-title", &[("title", (&title).into())]) } else { title }
}
