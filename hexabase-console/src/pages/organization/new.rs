//! Creation of an organization.

use axum::http::StatusCode;
use axum::response::Response;
use hexabase_api::organizations::requests::NewOrganization;
use maud::html;

use crate::components::{
    ButtonKind, Field, Link, error_summary, field, form_actions, page_heading, post_form,
};
use crate::context::Context;
use crate::flash::Flash;
use crate::form::{Fields, FormState, Submission, creating_form};
use crate::pages::PageContent;
use crate::response::{PageResult, see_other};
use crate::urls;

pub(super) async fn show(mut context: Context) -> Response {
    let form = FormState::with(context.saved_fields());
    page(context, StatusCode::OK, &form)
}

pub(super) async fn submit(Submission { context, fields }: Submission) -> PageResult {
    match create(&context, &fields).await {
        Ok(name_and_url) => {
            let (name, url) = name_and_url;
            let text = context.texts().text_with("organization-created", &[("name", (&name).into())]);
            Ok(see_other(context, &url, &Flash::new(text)))
        }
        Err(error) => {
            let (form, error) = FormState::rejected(context.texts(), &fields, error)?;
            Ok(page(context, error.status(), &form))
        }
    }
}

/// Creates the organization, and returns its display name and address.
async fn create(context: &Context, fields: &Fields) -> hexabase_core::Result<(String, String)> {
    let command = fields.parse::<NewOrganization>()?.parse()?;
    let created = context.platform().organizations().create(&context.caller, &command).await?.value;
    Ok((created.display_name.to_string(), urls::organization(created.id)))
}

fn page(context: Context, status: StatusCode, form: &FormState) -> Response {
    let texts = context.texts();
    let target = creating_form(&context, urls::new_organization(), form);
    let display_name = Field::line("display_name", texts.text("field-display-name"))
        .value(form.value("display_name"))
        .error(form.error("display_name"))
        .hint(texts.text("organization-display-name-hint"))
        .required();
    let name = Field::line("name", texts.text("field-name"))
        .value(form.value("name"))
        .error(form.error("name"))
        .hint(texts.text("organization-name-hint"))
        .required();
    let create = texts.text("organization-create");
    let content = html! {
        (page_heading(&html! { (texts.text("organization-new-title")) }, None, None))
        (error_summary(&texts, &form.summary(&["name", "display_name"])))
        (post_form(&target, &html! {
            (field(&texts, &display_name))
            (field(&texts, &name))
            (form_actions(&texts, ButtonKind::Primary, &create, &urls::organizations()))
        }))
    };
    PageContent {
        ancestors: vec![Link::new(texts.text("organizations-title"), urls::organizations())],
        has_errors: form.has_errors(),
        ..PageContent::new(texts.text("organization-new-title"), content)
    }
    .respond(context, status)
}
