//! Page of a change that conflicts with a later one. No edit is lost, and none is overwritten without the user's decision.

use axum::http::StatusCode;
use axum::response::Response;
use hexabase_core::error::Error;
use hexabase_core::model::{Member, Organization};
use hexabase_core::version::Version;
use jiff::Timestamp;
use maud::html;

use crate::components::{
    ButtonKind, Column, PostForm, Table, Tone, link_button, name, notice, page_heading, post_form,
    submit_button, table,
};
use crate::context::Context;
use crate::form::{CSRF, Fields, VERSION};
use crate::pages::PageContent;
use crate::saved_form::SECRET_FIELDS;
use crate::time::time;

/// Change that was made to an outdated version.
pub(crate) struct Conflict {
    /// Address of the form.
    pub(crate) url: String,
    /// Current version.
    pub(crate) version: Version,
    /// Time of the current version.
    pub(crate) updated_at: Timestamp,
    /// Labels of the fields with the user's and the current values.
    pub(crate) values: Vec<(String, String, String)>,
}

/// `true` if a change was rejected since the object has another version than the user saw.
pub(crate) fn is_outdated(error: &Error) -> bool {
    error.code() == "precondition_failed"
}

impl Conflict {
    /// Returns the page, on which the user keeps the current values or applies the own ones to them.
    pub(crate) fn respond(
        self,
        context: Context,
        fields: &Fields,
        membership: Option<(Organization, Member)>,
    ) -> Response {
        let texts = context.texts();
        let hidden = vec![(CSRF, context.form_token()), (VERSION, self.version.number().to_string())];
        let form = PostForm { action: self.url.clone(), hidden };
        let rows = self.values.iter().map(|(label, yours, now)| {
            vec![html! { (label) }, html! { (name(yours)) }, html! { (name(now)) }].into()
        });
        let values = Table {
            caption: texts.text("conflict-title"),
            is_caption_hidden: true,
            columns: vec![
                Column::text(texts.text("conflict-field")),
                Column::text(texts.text("conflict-yours")),
                Column::text(texts.text("conflict-now")),
            ],
            rows: rows.collect(),
        };
        let has_secrets = SECRET_FIELDS.iter().any(|name| !fields.get(name).is_empty());
        let content = html! {
            (page_heading(&html! { (texts.text("conflict-title")) }, None, None))
            (notice(Tone::Warning, &texts.text("conflict-heading"), &html! {
                p { (texts.text("conflict-about")) " " (time(&texts, self.updated_at)) }
            }))
            (table(&values))
            (post_form(&form, &html! {
                @for (field, value) in fields.entries().filter(|(name, _)| !SECRET_FIELDS.contains(name)) {
                    input type="hidden" name=(field) value=(value);
                }
                @if has_secrets { p class="note" { (texts.text("conflict-secrets")) } }
                div class="form-actions" {
                    (link_button(ButtonKind::Secondary, &texts.text("conflict-keep"), &self.url))
                    (submit_button(&texts, ButtonKind::Primary, &texts.text("conflict-apply")))
                }
            }))
        };
        let page =
            PageContent { has_errors: true, ..PageContent::new(texts.text("conflict-title"), content) };
        match &membership {
            Some(membership) => {
                page.in_organization(membership).respond(context, StatusCode::PRECONDITION_FAILED)
            }
            None => page.respond(context, StatusCode::PRECONDITION_FAILED),
        }
    }
}
