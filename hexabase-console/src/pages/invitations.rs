//! Invitations to the user.

use axum::http::StatusCode;
use axum::response::Response;
use hexabase_api::organizations::requests::{Acceptance, InvitationReference};
use hexabase_core::error::Result;
use hexabase_core::model::{Invitation, Organization};
use maud::{Markup, html};

use crate::components::{
    ButtonKind, Column, Field, Table, card, error_summary, field, name, page_heading, post_form, role_badge,
    submit_button, table,
};
use crate::context::Context;
use crate::flash::Flash;
use crate::form::{Fields, FormState, Submission, form_to};
use crate::pages::PageContent;
use crate::response::{PageResult, see_other};
use crate::routes::{Page, show as shown, submit as submitted};
use crate::time::time;
use crate::urls::{self, Access};

pub(super) fn pages() -> Vec<Page> {
    vec![
        shown(urls::INVITATIONS, Access::Session, show),
        submitted(urls::INVITATIONS, Access::Session, submit),
    ]
}

async fn show(mut context: Context) -> PageResult {
    let form = FormState::with(context.saved_fields());
    page(context, StatusCode::OK, &form).await
}

async fn submit(Submission { context, fields }: Submission) -> PageResult {
    match accept(&context, &fields).await {
        Ok(organization) => {
            let name = organization.display_name.as_str();
            let text = context.texts().text_with("invitation-accepted", &[("name", name.into())]);
            Ok(see_other(context, &urls::organization(organization.id), &Flash::new(text)))
        }
        Err(error) => {
            let (form, error) = FormState::rejected(context.texts(), &fields, error)?;
            page(context, error.status(), &form).await
        }
    }
}

async fn accept(context: &Context, fields: &Fields) -> Result<Organization> {
    let invitations = context.platform().invitations();
    let joined = match fields.parse::<Acceptance>()?.parse()? {
        InvitationReference::Token(token) => invitations.accept(&context.caller, &token).await?,
        InvitationReference::Id(id) => invitations.accept_by_id(&context.caller, id).await?,
    };
    Ok(joined.value.0)
}

async fn page(context: Context, status: StatusCode, form: &FormState) -> PageResult {
    let open = context.platform().invitations().list_for_caller(&context.caller).await?;
    Ok(render(context, status, &open, form))
}

fn render(
    context: Context,
    status: StatusCode,
    open: &[(Organization, Invitation)],
    form: &FormState,
) -> Response {
    let texts = context.texts();
    let title = texts.text("invitations-title");
    let target = form_to(&context, urls::invitations(), None);
    let token = Field::line("token", texts.text("invitation-token"))
        .error(form.error("token"))
        .hint(texts.text("invitation-token-hint"));
    let content = html! {
        (page_heading(&html! { (title) }, None, None))
        (error_summary(&texts, &form.summary(&["token"])))
        @if open.is_empty() { p { (texts.text("invitations-none")) } } @else { (received(&context, open)) }
        (card(&texts.text("invitation-token-title"), None, &post_form(&target, &html! {
            (field(&texts, &token))
            (submit_button(&texts, ButtonKind::Secondary, &texts.text("invitation-accept")))
        })))
    };
    PageContent { has_errors: form.has_errors(), ..PageContent::new(title, content) }.respond(context, status)
}

fn received(context: &Context, open: &[(Organization, Invitation)]) -> Markup {
    let texts = context.texts();
    let row = |(organization, invitation): &(Organization, Invitation)| {
        let mut form = form_to(context, urls::invitations(), None);
        form.hidden.push(("invitation_id", invitation.id.to_string()));
        let accept = submit_button(&texts, ButtonKind::Primary, &texts.text("invitation-accept"));
        vec![
            html! { (name(organization.display_name.as_str())) },
            role_badge(&texts, invitation.role),
            time(&texts, invitation.expires_at),
            post_form(&form, &accept),
        ]
        .into()
    };
    table(&Table {
        caption: texts.text("invitations-title"),
        is_caption_hidden: true,
        columns: vec![
            Column::text(texts.text("field-organization")),
            Column::text(texts.text("field-role")),
            Column::text(texts.text("invitation-until")),
            Column::actions(texts.text("actions-label")),
        ],
        rows: open.iter().map(row).collect(),
    })
}
