//! Page of a change that conflicts with a later one. No edit is lost, and none is overwritten without the user's decision.

use axum::http::StatusCode;
use hexabase_api::html_pages::PageError;
use hexabase_core::error::{Error, ErrorKind};
use hexabase_core::model::{AuditEvent, AuditFilter, Member, Organization};
use hexabase_core::page::PageRequest;
use hexabase_core::version::Version;
use jiff::Timestamp;
use maud::{Markup, html};

use crate::components::{
    ButtonKind, Column, PostForm, Table, Tone, facts, link_button, name, notice, page_heading, post_form,
    submit_button, table,
};
use crate::context::Context;
use crate::form::{CSRF, Fields, VERSION};
use crate::pages::{PageContent, known_as, latest_audit_events};
use crate::response::PageResult;
use crate::saved_form::SECRET_FIELDS;
use crate::time::time;

/// Change that was made to an outdated version.
pub(crate) struct Conflict {
    /// Address of the form.
    pub(crate) url: String,
    /// Current version.
    pub(crate) version: Version,
    /// Time of the current version, for users who may not read the audit log.
    pub(crate) updated_at: Timestamp,
    /// Changes of the object in the audit log of the organization; `None` if it has none there.
    pub(crate) changes: Option<AuditFilter>,
    /// Labels of the fields with the user's and the current values.
    pub(crate) values: Vec<(String, String, String)>,
}

/// Returns the filter on the audit log for the changes of an object; `action` excludes changes of something else in it.
pub(crate) fn changes_of(resource: impl ToString, action: Option<&str>) -> AuditFilter {
    AuditFilter {
        resource: Some(resource.to_string()),
        action: action.map(str::to_owned),
        ..AuditFilter::default()
    }
}

/// `true` if a change was rejected since the object has another version than the user saw.
pub(crate) fn is_outdated(error: &Error) -> bool {
    error.code() == "precondition_failed"
}

impl Conflict {
    /// Returns the page, on which the user keeps the current values or applies the own ones to them.
    pub(crate) async fn respond(
        self,
        context: Context,
        fields: &Fields,
        membership: Option<(Organization, Member)>,
    ) -> PageResult {
        let texts = context.texts();
        let about = self.about(&context, membership.as_ref()).await?;
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
                p { (texts.text("conflict-about")) }
                (about)
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
        Ok(match &membership {
            Some(membership) => {
                page.in_organization(membership).respond(context, StatusCode::PRECONDITION_FAILED)
            }
            None => page.respond(context, StatusCode::PRECONDITION_FAILED),
        })
    }

    /// Time and author of the current values. The author is known to users who may read the audit log.
    async fn about(
        &self,
        context: &Context,
        membership: Option<&(Organization, Member)>,
    ) -> Result<Markup, PageError> {
        let texts = context.texts();
        let change = match (&self.changes, membership) {
            (Some(changes), Some(membership)) => last_change(context, membership, changes).await?,
            _ => None,
        };
        let at = change.as_ref().map_or(self.updated_at, |(change, _)| change.at);
        let author = change.map(|(_, author)| (texts.text("audit-actor"), author));
        let known: Vec<_> =
            [(texts.text("field-updated"), time(&texts, at))].into_iter().chain(author).collect();
        Ok(facts(&known))
    }
}

/// Returns the last of the changes with its author; `None` if there is none, or if the user may not read the audit log.
async fn last_change(
    context: &Context,
    membership: &(Organization, Member),
    changes: &AuditFilter,
) -> Result<Option<(AuditEvent, Markup)>, PageError> {
    let newest = PageRequest::new(1, None);
    let found = latest_audit_events(context, membership, changes, &newest).await?;
    let Some(change) = found.into_iter().flatten().next() else { return Ok(None) };
    let Some(user) = change.actor.user_id else {
        return Ok(Some((change, html! { (context.text("audit-platform")) })));
    };
    let author = match context.platform().members().get(&context.caller, change.organization_id, user).await {
        Ok((_, author)) => name(&known_as(&author)),
        // A former member.
        Err(error) if error.kind() == ErrorKind::NotFound => html! { code { (user) } },
        Err(error) => return Err(error.into()),
    };
    Ok(Some((change, author)))
}
