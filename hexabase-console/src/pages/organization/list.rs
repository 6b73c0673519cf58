//! Organizations of the user.

use axum::extract::RawQuery;
use axum::http::StatusCode;
use axum::response::Response;
use hexabase_core::model::{Member, Organization};
use hexabase_core::search::SearchText;
use maud::html;

use crate::components::{
    ButtonKind, Column, Empty, Link, Table, Tone, dialog_link, empty, empty_by_filter, name, notice,
    page_heading, role_badge, table,
};
use crate::context::Context;
use crate::pages::PageContent;
use crate::response::PageResult;
use crate::urls;

pub(super) async fn show(context: Context, RawQuery(query): RawQuery) -> PageResult {
    let invitations = context.platform().invitations().list_for_caller(&context.caller).await?;
    let pairs: Vec<_> = form_urlencoded::parse(query.as_deref().unwrap_or_default().as_bytes()).collect();
    let text = pairs.iter().find(|(name, value)| name == "q" && !value.is_empty());
    let text = text.map(|(_, value)| SearchText::parse(value)).transpose()?;
    let matches =
        |organization: &Organization| text.as_ref().is_none_or(|text| text.is_in(&organization.searchable()));
    let shown: Vec<_> =
        context.organizations.iter().filter(|(organization, _)| matches(organization)).cloned().collect();
    Ok(page(context, &shown, text.is_some(), invitations.len()))
}

fn page(
    context: Context,
    organizations: &[(Organization, Member)],
    is_filtered: bool,
    invitations: usize,
) -> Response {
    let texts = context.texts();
    let title = texts.text("organizations-title");
    let create = texts.text("organization-create");
    let rows = organizations.iter().map(|(organization, member)| {
        let link = html! {
            a href=(urls::organization(organization.id)) { (name(organization.display_name.as_str())) }
            @if organization.personal { " " span class="note" { (texts.text("organization-personal")) } }
        };
        vec![link, html! { code { (organization.name) } }, role_badge(&texts, member.role)].into()
    });
    let list = Table {
        caption: title.clone(),
        is_caption_hidden: true,
        columns: vec![
            Column::text(texts.text("field-display-name")),
            Column::text(texts.text("field-name")),
            Column::text(texts.text("field-role")),
        ],
        rows: rows.collect(),
    };
    let actions = dialog_link(ButtonKind::Primary, &create, &urls::new_organization());
    let content = html! {
        (page_heading(&html! { (title) }, None, Some(&actions)))
        @if invitations > 0 {
            (notice(Tone::Neutral, &texts.text_with("invitations-pending", &[("count", invitations.into())]), &html! {
                p { a href=(urls::invitations()) { (texts.text("invitations-show")) } }
            }))
        }
        @match (organizations.is_empty(), is_filtered) {
            (false, _) => (table(&list)),
            (true, true) => (empty_by_filter(&texts, &urls::organizations())),
            (true, false) => (empty(&Empty {
                title: texts.text("organizations-none"),
                purpose: texts.text("organizations-purpose"),
                action: Some(Link::new(create, urls::new_organization())),
                documentation: None,
            })),
        }
    };
    PageContent::new(title, content).respond(context, StatusCode::OK)
}
