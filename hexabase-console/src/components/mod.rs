//! Parts of pages: pure functions from plain data to markup.
//!
//! All values are escaped. Names that users chose are wrapped in `<bdi>` by [`name`], so that their direction does not
//! change that of the text around them, and are not translated by browsers; so are values in `<code>` and [`data`]. The markup works without scripts and without inline styles; attributes named
//! `data-…` are what the scripts of the console enhance. Classes are those of `console.css`.

mod appearance;
mod badge;
mod button;
mod chart;
mod conditions;
mod confirmation;
mod copyable;
mod crumbs;
mod danger;
mod dialog;
mod diff;
mod field;
mod form;
mod header;
mod icon;
mod menu;
mod meter;
mod navigation;
mod notice;
mod pager;
mod plan_card;
mod search_form;
mod shell;
mod shell_commands;
mod steps;
mod summary;
mod table;
mod tree;
mod words;

use std::fmt::Display;

use maud::{Markup, html};

pub use appearance::{Appearance, Density, Theme, Zone};
pub use badge::{Tone, badge, phase_badge, role_badge};
pub use button::{ButtonKind, disabled_button, link_button, submit_button};
pub use chart::{Chart, ChartKind, Limit, Series, chart, sparkline};
pub use conditions::conditions;
pub use confirmation::confirmation;
pub use copyable::{copyable, copyable_block, id};
pub use crumbs::crumbs;
pub use danger::{DangerForm, danger_form};
pub use dialog::{Dialog, dialog, dialog_link};
pub use diff::{Change, changes, diff};
pub use field::{Choice, Control, Field, field};
pub use form::{PostForm, form_actions, get_form, post_form};
pub use header::{AccountMenu, Header, OrganizationEntry, OrganizationSwitcher};
pub use icon::{Icon, icon};
pub use menu::{MenuItem, menu};
pub use meter::{Meter, meter};
pub use navigation::{NavigationItem, NavigationSection};
pub use notice::{Empty, Flash, empty, empty_by_filter, flash, notice, unavailable};
pub use pager::{Pager, pager};
pub use plan_card::{PlanCard, PlanChoice, plan_card, plan_cards};
pub use search_form::SearchForm;
pub use shell::{Shell, shell};
pub use shell_commands::{ShellCommand, shell_commands};
pub use steps::{Step, StepState, steps};
pub use summary::{SummaryError, error_summary};
pub use table::{Column, ColumnKind, Row, Table, table};
pub use tree::{TreeChoice, TreeNode, tree, tree_choice};
pub use words::{members_text, phase_text, resource_text, role_text};

use crate::language::{Language, Texts};

/// Link with its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Text of the link.
    pub label: String,
    /// Address.
    pub href: String,
}

impl Link {
    /// Returns a link.
    #[must_use]
    pub fn new(label: impl Into<String>, href: impl Into<String>) -> Self {
        Self { label: label.into(), href: href.into() }
    }
}

/// Name that a user chose, isolated from the direction of the text around it. Browsers do not translate it.
#[must_use]
pub fn name(name: &str) -> Markup {
    html! { bdi translate="no" { (name) } }
}

/// Value of no language, such as a version or an address. Browsers do not translate it.
#[must_use]
pub fn data(value: &impl Display) -> Markup {
    html! { span translate="no" { (value) } }
}

/// Text of the API, which is English, marked as such on pages in other languages.
#[must_use]
pub fn api_text(texts: &Texts, text: &str) -> Markup {
    match texts.language() {
        Language::English => html! { (text) },
        Language::Japanese | Language::Pseudo => html! { span lang="en" { (text) } },
    }
}

/// Heading of a page with its actions at the end of the line.
#[must_use]
pub fn page_heading(title: &Markup, note: Option<&Markup>, actions: Option<&Markup>) -> Markup {
    html! {
        div class="heading" {
            div {
                h1 { (title) }
                @if let Some(note) = note { p class="note" { (note) } }
            }
            @if let Some(actions) = actions { div class="actions" { (actions) } }
        }
    }
}

/// Card of a page: a section with a heading of the second level.
#[must_use]
pub fn card(title: &str, actions: Option<&Markup>, content: &Markup) -> Markup {
    html! {
        section class="card" {
            div class="card-heading" {
                h2 { (title) }
                @if let Some(actions) = actions { div class="actions" { (actions) } }
            }
            (content)
        }
    }
}

/// List of facts: labels with their values.
#[must_use]
pub fn facts(facts: &[(String, Markup)]) -> Markup {
    html! {
        dl class="facts" {
            @for (label, value) in facts {
                div { dt { (label) } dd { (value) } }
            }
        }
    }
}
