//! Registration of a host cluster.

use axum::http::StatusCode;
use axum::response::Response;
use hexabase_api::admin::requests::NewCluster;
use hexabase_core::error::Result;
use hexabase_core::name::HostClusterName;
use maud::{Markup, html};

use super::fields::{kubeconfig_field, placement_fields, with_pairs};
use super::{Operator, OperatorSubmission};
use crate::components::{
    ButtonKind, Choice, Control, Field, Link, card, copyable, copyable_block, error_summary, field,
    form_actions, page_heading, post_form, shell_commands,
};
use crate::context::Context;
use crate::flash::Flash;
use crate::form::{Fields, FormState, Submission, creating_form};
use crate::pages::api_call::api_request;
use crate::pages::{OperatorSection, PageContent, Section};
use crate::response::{PageResult, see_other};
use crate::urls;

/// Command that prints the manifest of a host.
const SETUP_COMMAND: &str = "hexabase host-setup | kubectl apply --server-side -f -";
/// Fields of the form.
const FIELDS: [&str; 7] = ["name", "kubeconfig", "region", "capacity", "labels", "settings", "cordoned"];

pub(super) async fn show(Operator(mut context): Operator) -> Response {
    let form = FormState::with(context.saved_fields());
    page(context, StatusCode::OK, &form)
}

pub(super) async fn submit(OperatorSubmission(submission): OperatorSubmission) -> PageResult {
    let Submission { context, fields } = submission;
    match register(&context, &fields).await {
        Ok(name) => {
            tracing::info!(host = %name, by = %context.caller.principal.user_id, "host cluster registered");
            let host = name.to_string();
            let text = context.texts().text_with("host-registered", &[("name", (&host).into())]);
            Ok(see_other(context, &urls::host(&name), &Flash::new(text)))
        }
        Err(error) => {
            let (form, error) = FormState::rejected(context.texts(), &fields, error)?;
            Ok(page(context, error.status(), &form))
        }
    }
}

async fn register(context: &Context, fields: &Fields) -> Result<HostClusterName> {
    let command = with_pairs(fields).parse::<NewCluster>()?.parse()?;
    let created = context.platform().hosts().register(&context.caller, &command).await?;
    Ok(created.value.host.name)
}

fn page(context: Context, status: StatusCode, form: &FormState) -> Response {
    let texts = context.texts();
    let target = creating_form(&context, urls::new_host(), form);
    let name = Field::line("name", texts.text("field-name"))
        .value(form.value("name"))
        .error(form.error("name"))
        .hint(texts.text("host-name-hint"))
        .required();
    let kubeconfig = kubeconfig_field(&texts, form).hint(texts.text("host-kubeconfig-hint")).required();
    let cordoned = Choice::new("true", texts.text("host-cordon-first")).hint(texts.text("host-cordon-hint"));
    let cordoned = Field::new("cordoned", texts.text("host-placement"), Control::Checks(vec![cordoned]))
        .value(form.value("cordoned"));
    let register = texts.text("host-register");
    let command = api_request(&context, register.clone(), "POST", "/admin/clusters", "@host.json");
    let content = html! {
        (page_heading(&html! { (register) }, None, None))
        (error_summary(&texts, &form.summary(&FIELDS)))
        (card(&texts.text("host-setup"), None, &setup(&context)))
        (post_form(&target, &html! {
            (field(&texts, &name))
            (field(&texts, &kubeconfig))
            @for placement in placement_fields(&texts, form, None) { (field(&texts, &placement)) }
            (field(&texts, &cordoned))
            (form_actions(&texts, ButtonKind::Primary, &register, &urls::hosts()))
        }))
        (shell_commands(&texts, &[command]))
    };
    PageContent {
        section: Section::Operators(OperatorSection::Hosts),
        ancestors: vec![Link::new(texts.text("operators-hosts"), urls::hosts())],
        has_errors: form.has_errors(),
        ..PageContent::new(register, content)
    }
    .respond(context, status)
}

/// Preparation of the host: the command that applies the manifest, and the manifest.
fn setup(context: &Context) -> Markup {
    let texts = context.texts();
    html! {
        p { (texts.text("host-setup-about")) }
        p { (copyable(&texts, SETUP_COMMAND)) }
        @if let Some(manifest) = &context.state.host_setup {
            details {
                summary { (texts.text("host-setup-manifest")) }
                (copyable_block(&texts, &texts.text("host-setup-manifest"), manifest))
            }
        }
    }
}
