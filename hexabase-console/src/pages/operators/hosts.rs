//! Host clusters of the installation.

use axum::http::StatusCode;
use hexabase_core::platform::KnownHost;
use maud::{Markup, html};

use super::Operator;
use super::fields::health_badge;
use crate::components::{
    ButtonKind, Column, Empty, Link, Meter, Table, Tone, badge, data, empty, link_button, meter, name,
    page_heading, shell_commands, table,
};
use crate::language::Texts;
use crate::numbers::count;
use crate::pages::api_call::api_call;
use crate::pages::{OperatorSection, PageContent, Section};
use crate::response::PageResult;
use crate::urls;

pub(super) async fn show(Operator(context): Operator) -> PageResult {
    let hosts = context.platform().hosts().list().await?;
    let texts = context.texts();
    let (title, register) = (texts.text("operators-hosts"), texts.text("host-register"));
    let actions = link_button(ButtonKind::Primary, &register, &urls::new_host());
    let content = html! {
        (page_heading(&html! { (title) }, Some(&html! { (texts.text("hosts-about")) }), Some(&actions)))
        @if hosts.is_empty() {
            (empty(&Empty {
                title: texts.text("hosts-none"),
                purpose: texts.text("hosts-about"),
                action: Some(Link::new(register, urls::new_host())),
                documentation: None,
            }))
        } @else { (list(&texts, &hosts)) }
        (shell_commands(&texts, &[api_call(&context, texts.text("hosts-command"), "/admin/clusters")]))
    };
    let section = Section::Operators(OperatorSection::Hosts);
    Ok(PageContent { section, ..PageContent::new(title, content) }.respond(context, StatusCode::OK))
}

fn list(texts: &Texts, hosts: &[KnownHost]) -> Markup {
    let row = |known: &KnownHost| {
        let host = &known.host;
        let state = html! {
            (health_badge(texts, known))
            @if host.cordoned { " " (badge(Tone::Warning, &texts.text("host-cordoned"))) }
            @if host.sandbox { " " (badge(Tone::Neutral, &texts.text("host-sandbox"))) }
        };
        let region = host.region.as_ref().map(ToString::to_string).unwrap_or_default();
        let link = html! { a href=(urls::host(&host.name)) { (name(host.name.as_str())) } };
        vec![link, state, data(&region), capacity(texts, known)].into()
    };
    table(&Table {
        caption: texts.text("operators-hosts"),
        is_caption_hidden: true,
        columns: vec![
            Column::text(texts.text("field-name")),
            Column::text(texts.text("task-state")),
            Column::text(texts.text("field-region")),
            Column::text(texts.text("nav-workspaces")),
        ],
        rows: hosts.iter().map(row).collect(),
    })
}

/// Number of workspaces on a host, with its capacity.
pub(super) fn capacity(texts: &Texts, known: &KnownHost) -> Markup {
    let limit = Some(known.host.capacity).filter(|capacity| *capacity < u32::MAX);
    meter(
        texts,
        &Meter {
            label: texts.text("nav-workspaces"),
            used: f64::from(known.workspaces),
            reserved: 0.0,
            limit: limit.map(f64::from),
            used_text: count(known.workspaces.into()),
            reserved_text: String::new(),
            limit_text: limit.map(|limit| count(limit.into())).unwrap_or_default(),
        },
    )
}
