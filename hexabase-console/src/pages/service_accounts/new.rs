//! New service account.

use axum::http::StatusCode;
use axum::response::Response;
use hexabase_api::Path;
use hexabase_api::organizations::requests::NewServiceAccount;
use hexabase_core::access::Action;
use hexabase_core::error::Result;
use hexabase_core::id::OrganizationId;
use hexabase_core::model::{Member, Organization, OrganizationRole, ServiceAccount};
use maud::html;

use crate::components::{
    ButtonKind, Control, Field, Link, error_summary, field, form_actions, page_heading, post_form,
    shell_commands,
};
use crate::context::Context;
use crate::flash::Flash;
use crate::form::{Fields, FormState, Submission, creating_form};
use crate::pages::api_call::api_request;
use crate::pages::organization::role_choices;
use crate::pages::{PageContent, Section};
use crate::response::{PageResult, see_other};
use crate::urls;

pub(super) async fn show(mut context: Context, Path(org): Path<OrganizationId>) -> PageResult {
    let membership = context.organization_for(org, Action::ServiceAccountCreate).await?;
    let form = FormState::with(context.saved_fields());
    Ok(page(context, StatusCode::OK, &membership, &form))
}

pub(super) async fn submit(
    Path(org): Path<OrganizationId>,
    Submission { context, fields }: Submission,
) -> PageResult {
    let membership = context.organization_for(org, Action::ServiceAccountCreate).await?;
    match create(&context, org, &fields).await {
        Ok(account) => {
            let text =
                context.texts().text_with("account-created", &[("name", account.name.as_str().into())]);
            Ok(see_other(context, &urls::service_account(org, account.id), &Flash::new(text)))
        }
        Err(error) => {
            let (form, error) = FormState::rejected(context.texts(), &fields, error)?;
            Ok(page(context, error.status(), &membership, &form))
        }
    }
}

async fn create(context: &Context, org: OrganizationId, fields: &Fields) -> Result<ServiceAccount> {
    let command = fields.parse::<NewServiceAccount>()?.parse()?;
    Ok(context.platform().service_accounts().create(&context.caller, org, &command).await?.value)
}

fn page(
    context: Context,
    status: StatusCode,
    membership: &(Organization, Member),
    form: &FormState,
) -> Response {
    let texts = context.texts();
    let org = membership.0.id;
    let create = texts.text("account-create");
    let target = creating_form(&context, urls::new_service_account(org), form);
    let name = Field::line("name", texts.text("field-name"))
        .value(form.value("name"))
        .error(form.error("name"))
        .hint(texts.text("workspace-name-hint"))
        .required();
    let mut roles = role_choices(&context, membership.1.role);
    // A service account cannot own an organization.
    roles.retain(|choice| choice.value != OrganizationRole::Owner.as_str());
    let role = Field::new("role", texts.text("field-role"), Control::Radio(roles))
        .value(form.value_or("role", OrganizationRole::Member.as_str()))
        .error(form.error("role"))
        .required();
    let path = format!("/organizations/{org}/service-accounts");
    let command = api_request(&context, create.clone(), "POST", &path, r#"{"name":"ci","role":"member"}"#);
    let content = html! {
        (page_heading(&html! { (create) }, Some(&html! { (texts.text("accounts-purpose")) }), None))
        (error_summary(&texts, &form.summary(&["name", "role"])))
        (post_form(&target, &html! {
            (field(&texts, &name))
            (field(&texts, &role))
            (form_actions(&texts, ButtonKind::Primary, &create, &urls::service_accounts(org)))
        }))
        (shell_commands(&texts, &[command]))
    };
    PageContent {
        section: Section::ServiceAccounts,
        ancestors: vec![Link::new(texts.text("nav-service-accounts"), urls::service_accounts(org))],
        has_errors: form.has_errors(),
        ..PageContent::new(create, content)
    }
    .in_organization(membership)
    .respond(context, status)
}
