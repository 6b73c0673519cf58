use maud::{Markup, html};

use super::Link;
use super::badge::Tone;
use super::button::{ButtonKind, link_button};
use super::form::{PostForm, post_form};
use super::icon::{Icon, icon};
use crate::language::Texts;

/// Message about the last action, shown after a redirect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flash {
    /// Meaning of the message.
    pub tone: Tone,
    /// Text of the message.
    pub message: String,
    /// Form that reverts the action; `None` if it cannot be reverted.
    pub undo: Option<PostForm>,
}

/// Message about the last action. It stays until the next page.
#[must_use]
pub fn flash(texts: &Texts, flash: &Flash) -> Markup {
    html! {
        div class={ "notice flash " (flash.tone.class()) } role="status" tabindex="-1" data-flash {
            (icon(tone_icon(flash.tone)))
            p { (flash.message) }
            @if let Some(undo) = &flash.undo {
                (post_form(undo, &html! { button class="button" type="submit" { (texts.text("button-undo")) } }))
            }
        }
    }
}

/// Notice on a page, with a heading.
#[must_use]
pub fn notice(tone: Tone, title: &str, content: &Markup) -> Markup {
    html! {
        section class={ "notice " (tone.class()) } {
            (icon(tone_icon(tone)))
            div { h2 { (title) } (content) }
        }
    }
}

/// Empty list: its purpose, and an action that fills it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Empty {
    /// Statement that there is nothing.
    pub title: String,
    /// Purpose of the objects of the list.
    pub purpose: String,
    /// Page that creates one; `None` if the user cannot.
    pub action: Option<Link>,
    /// Documentation; `None` for none.
    pub documentation: Option<Link>,
}

/// Place of an empty list.
#[must_use]
pub fn empty(empty: &Empty) -> Markup {
    html! {
        div class="empty" {
            h2 { (empty.title) }
            p { (empty.purpose) }
            @if empty.action.is_some() || empty.documentation.is_some() {
                div class="actions" {
                    @if let Some(link) = &empty.action { (link_button(ButtonKind::Primary, &link.label, &link.href)) }
                    @if let Some(link) = &empty.documentation { a href=(link.href) { (link.label) } }
                }
            }
        }
    }
}

/// Place of a list that is empty because of its filters, with a link that removes them.
#[must_use]
pub fn empty_by_filter(texts: &Texts, clear_href: &str) -> Markup {
    html! {
        div class="empty" {
            h2 { (texts.text("empty-filter-title")) }
            p { a href=(clear_href) { (texts.text("empty-filter-clear")) } }
        }
    }
}

/// Place of a part of the page whose source does not respond. The rest of the page is complete.
#[must_use]
pub fn unavailable(texts: &Texts, source: &str) -> Markup {
    html! {
        div class="notice warning" {
            (icon(Icon::Warning))
            div {
                h2 { (texts.text_with("unavailable-title", &[("source", source.into())])) }
                p { (texts.text("unavailable-text")) }
            }
        }
    }
}

const fn tone_icon(tone: Tone) -> Icon {
    match tone {
        Tone::Good => Icon::Check,
        Tone::Neutral | Tone::Busy => Icon::Bell,
        Tone::Warning | Tone::Bad => Icon::Warning,
    }
}
