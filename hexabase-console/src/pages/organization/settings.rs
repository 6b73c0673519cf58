//! Settings of an organization.

use axum::http::StatusCode;
use axum::response::Response;
use hexabase_api::Path;
use hexabase_api::organizations::requests::OrganizationPatch;
use hexabase_core::access::Action;
use hexabase_core::id::OrganizationId;
use hexabase_core::model::{Member, Organization};
use maud::html;

use crate::components::{
    ButtonKind, Field, card, error_summary, facts, field, form_actions, id, link_button, page_heading,
    post_form,
};
use crate::context::Context;
use crate::flash::Flash;
use crate::form::{FormState, Submission, VERSION, form_to};
use crate::pages::conflict::{Conflict, changes_of, is_outdated};
use crate::pages::seen::{organization_version, require_seen};
use crate::pages::{PageContent, Section};
use crate::response::{PageResult, see_other};
use crate::urls;

pub(super) async fn show(mut context: Context, Path(org): Path<OrganizationId>) -> PageResult {
    let membership = context.organization_for(org, Action::OrganizationUpdate).await?;
    context.note_inventory(org, org).await?;
    let form = FormState::with(context.saved_fields());
    Ok(page(context, StatusCode::OK, &membership, &form))
}

pub(super) async fn submit(Path(org): Path<OrganizationId>, submission: Submission) -> PageResult {
    let seen = submission.version();
    let Submission { context, fields } = submission;
    let membership = context.organization_for(org, Action::OrganizationUpdate).await?;
    let current = &membership.0;
    let parsed = require_seen(seen, organization_version(current))
        .and_then(|()| fields.parse::<OrganizationPatch>().and_then(OrganizationPatch::parse));
    let changed = match parsed {
        Ok(name) => {
            let organizations = context.platform().organizations();
            organizations.update(&context.caller, org, name, Some(current.version)).await
        }
        Err(error) => Err(error),
    };
    let url = urls::organization_settings(org);
    match changed {
        Ok(after) => {
            let version = organization_version(&after).number().to_string();
            let before = membership.0.display_name.as_str();
            let flash = Flash::new(context.text("settings-saved"))
                .with_undo(url.clone(), &[("display_name", before), (VERSION, &version)]);
            Ok(see_other(context, &url, &flash))
        }
        Err(error) if is_outdated(&error) => {
            let current = context.platform().organizations().get(&context.caller, org).await?;
            let label = context.text("field-display-name");
            let conflict = Conflict {
                url,
                version: organization_version(&current),
                updated_at: current.updated_at,
                changes: Some(changes_of(org, Some("organization.update"))),
                values: vec![(
                    label,
                    fields.get("display_name").to_owned(),
                    current.display_name.to_string(),
                )],
            };
            conflict.respond(context, &fields, Some((current, membership.1))).await
        }
        Err(error) => {
            let (form, error) = FormState::rejected(context.texts(), &fields, error)?;
            Ok(page(context, error.status(), &membership, &form))
        }
    }
}

fn page(
    context: Context,
    status: StatusCode,
    membership: &(Organization, Member),
    form: &FormState,
) -> Response {
    let texts = context.texts();
    let organization = &membership.0;
    let target = form_to(
        &context,
        urls::organization_settings(organization.id),
        Some(organization_version(organization)),
    );
    let display_name = Field::line("display_name", texts.text("field-display-name"))
        .value(form.value_or("display_name", organization.display_name.as_str()))
        .error(form.error("display_name"))
        .required();
    let save = texts.text("settings-save");
    let about = [
        (texts.text("field-name"), html! { code { (organization.name) } }),
        (texts.text("field-id"), id(&texts, &organization.id.to_string())),
    ];
    let delete = texts.text("organization-delete");
    let may_delete = context.may(&membership.1, Action::OrganizationDelete);
    let content = html! {
        (page_heading(&html! { (texts.text("settings-title")) }, None, None))
        (error_summary(&texts, &form.summary(&["display_name"])))
        (post_form(&target, &html! {
            (field(&texts, &display_name))
            (form_actions(&texts, ButtonKind::Primary, &save, &urls::organization(organization.id)))
        }))
        (card(&texts.text("settings-about"), None, &facts(&about)))
        @if may_delete {
            (card(&delete, None, &html! {
                p { (texts.text("organization-delete-about")) }
                (link_button(ButtonKind::Danger, &delete, &urls::organization_delete(organization.id)))
            }))
        }
    };
    PageContent {
        section: Section::Configuration,
        has_errors: form.has_errors(),
        ..PageContent::new(texts.text("settings-title"), content)
    }
    .in_organization(membership)
    .audited(organization.id.to_string())
    .respond(context, status)
}
