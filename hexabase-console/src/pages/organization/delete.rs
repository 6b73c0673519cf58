//! Deletion of an organization.

use axum::http::StatusCode;
use axum::response::Response;
use hexabase_api::Path;
use hexabase_core::access::Action;
use hexabase_core::id::OrganizationId;
use hexabase_core::model::{Member, Organization};
use hexabase_core::platform::Overview;
use maud::{Markup, html};

use crate::components::{DangerForm, Link, danger_form, disabled_button, error_summary, page_heading};
use crate::context::{Context, refusal};
use crate::flash::Flash;
use crate::form::{FormState, Submission, form_to, invalid_entry};
use crate::pages::reauthentication::{reauthentication, required, sign_in_again};
use crate::pages::{PageContent, Section};
use crate::response::{PageResult, see_other};
use crate::urls;

pub(super) async fn show(mut context: Context, Path(org): Path<OrganizationId>) -> PageResult {
    let form = FormState::with(context.saved_fields());
    page(context, StatusCode::OK, org, &form).await
}

pub(super) async fn submit(Path(org): Path<OrganizationId>, submission: Submission) -> PageResult {
    let expected = submission.version();
    let Submission { context, fields } = submission;
    let (organization, _) = context.organization_for(org, Action::OrganizationDelete).await?;
    let is_recent = reauthentication(&context, &path(org)).await?.is_none();
    let deleted = match fields.get("confirm_name") == organization.name.as_str() {
        _ if !is_recent => Err(required(&context.texts())),
        true => context.platform().organizations().delete(&context.caller, org, true, expected).await,
        false => Err(invalid_entry("confirm_name", context.text("danger-wrong-name"))),
    };
    match deleted {
        Ok(is_complete) => {
            let key = if is_complete { "organization-deleted" } else { "organization-deleting" };
            let name = organization.display_name.as_str();
            let flash = Flash::new(context.texts().text_with(key, &[("name", name.into())]));
            Ok(see_other(context, &urls::organizations(), &flash))
        }
        Err(error) => {
            let (form, error) = FormState::rejected(context.texts(), &fields, error)?;
            page(context, error.status(), org, &form).await
        }
    }
}

/// Path of the page, which has no mount.
fn path(org: OrganizationId) -> String {
    urls::ORGANIZATION_DELETE.replace("{org}", &org.to_string())
}

async fn page(context: Context, status: StatusCode, org: OrganizationId, form: &FormState) -> PageResult {
    let membership = context.organization_for(org, Action::OrganizationDelete).await?;
    let overview = context.platform().organizations().overview(&context.caller, org).await?;
    let abilities =
        context.platform().abilities_for(&context.caller, org, None, &[Action::OrganizationDelete]).await?;
    let refused = refusal(&context, &abilities, Action::OrganizationDelete);
    let options = reauthentication(&context, &path(org)).await?;
    let obstacle = match (refused, options) {
        (Some(reason), _) => {
            Some(disabled_button("delete-reason", &context.text("organization-delete"), &reason))
        }
        (None, Some(options)) => Some(sign_in_again(&context.texts(), &options)),
        (None, None) => None,
    };
    Ok(render(context, status, &membership, &overview, obstacle, form))
}

fn render(
    context: Context,
    status: StatusCode,
    membership: &(Organization, Member),
    overview: &Overview,
    obstacle: Option<Markup>,
    form: &FormState,
) -> Response {
    let texts = context.texts();
    let organization = &membership.0;
    let count = |key: &str, number: u32| texts.text_with(key, &[("count", u64::from(number).into())]);
    let delete = texts.text("organization-delete");
    let danger = DangerForm {
        form: form_to(&context, urls::organization_delete(organization.id), None),
        title: texts
            .text_with("organization-delete-title", &[("name", organization.display_name.as_str().into())]),
        typed_name: Some(organization.name.to_string()),
        consequences: vec![
            count("organization-delete-workspaces", overview.counts.workspaces),
            count("organization-delete-members", overview.counts.members),
            count("organization-delete-service-accounts", overview.counts.service_accounts),
        ],
        button: delete.clone(),
        cancel_href: urls::organization_settings(organization.id),
        error: form.error("confirm_name"),
    };
    let content = html! {
        (page_heading(&html! { (delete) }, None, None))
        (error_summary(&texts, &form.summary(&["confirm_name"])))
        @if let Some(obstacle) = obstacle { (obstacle) }
        @else { (danger_form(&texts, &danger)) }
    };
    PageContent {
        section: Section::Configuration,
        ancestors: vec![Link::new(
            texts.text("settings-title"),
            urls::organization_settings(organization.id),
        )],
        has_errors: form.has_errors(),
        ..PageContent::new(texts.text("organization-delete"), content)
    }
    .in_organization(membership)
    .respond(context, status)
}
