//! Profile of the user: name, and the preferences of the browser.

use axum::http::StatusCode;
use axum::response::Response;
use hexabase_api::sign_in::rename;
use hexabase_api::sign_in::requests::UserPatch;
use hexabase_core::error::{Error, Result, Violation};
use hexabase_core::model::User;
use hexabase_core::version::Version;
use maud::html;

use crate::components::{
    ButtonKind, Field, card, error_summary, facts, field, id, name, page_heading, post_form, shell_commands,
    submit_button,
};
use crate::context::Context;
use crate::flash::Flash;
use crate::form::{Fields, FormState, Submission, VERSION, form_to};
use crate::pages::api_call::session_call;
use crate::pages::conflict::{Conflict, is_outdated};
use crate::pages::sign_in::{FROM_PROFILE, preference_form};
use crate::pages::{PageContent, Section};
use crate::response::{PageResult, see_other};
use crate::time::time;
use crate::urls;

/// Field with the name of the user.
const DISPLAY_NAME: &str = "display_name";

pub(super) async fn show(mut context: Context) -> PageResult {
    let form = FormState::with(context.saved_fields());
    Ok(page(context, StatusCode::OK, &form))
}

/// Changes the name of the user.
pub(super) async fn submit(submission: Submission) -> PageResult {
    let expected = submission.version();
    let Submission { context, fields } = submission;
    match change(&context, &fields, expected).await {
        Ok(after) => {
            let version = after.version.number().to_string();
            let undo = [(DISPLAY_NAME, context.user.name.as_str()), (VERSION, &version)];
            let flash = Flash::new(context.text("profile-renamed")).with_undo(urls::account(), &undo);
            Ok(see_other(context, &urls::account(), &flash))
        }
        Err(error) if is_outdated(&error) => {
            let (yours, now) = (fields.get(DISPLAY_NAME).to_owned(), context.user.name.to_string());
            let conflict = Conflict {
                url: urls::account(),
                version: context.user.version,
                updated_at: context.user.updated_at,
                changes: None,
                values: vec![(context.text("field-display-name"), yours, now)],
            };
            conflict.respond(context, &fields, None).await
        }
        Err(error) => {
            let (form, error) = FormState::rejected(context.texts(), &fields, error)?;
            Ok(page(context, error.status(), &form))
        }
    }
}

async fn change(context: &Context, fields: &Fields, expected: Option<Version>) -> Result<User> {
    // Not the field `name`, whose characters are normalized: a person's name keeps them.
    let request = UserPatch { name: fields.get(DISPLAY_NAME).to_owned() };
    let name = request.parse().map_err(|error| {
        let violations = error.violations().iter().cloned();
        let of_form = |it| Violation { field: DISPLAY_NAME.to_owned(), ..it };
        Error::invalid_fields(violations.map(of_form).collect())
    })?;
    rename(context.auth(), &context.caller, &name, expected).await
}

fn page(context: Context, status: StatusCode, form: &FormState) -> Response {
    let texts = context.texts();
    let user = &context.user;
    let title = texts.text("profile-title");
    let display_name = Field::line(DISPLAY_NAME, texts.text("field-display-name"))
        .value(form.value_or(DISPLAY_NAME, user.name.as_str()))
        .error(form.error(DISPLAY_NAME))
        .hint(texts.text("profile-name-hint"))
        .required();
    let target = form_to(&context, urls::account(), Some(user.version));
    let email = html! {
        @if let Some(email) = &user.email {
            (name(email.as_str()))
            p class="hint" { (texts.text("profile-email-about")) }
        }
    };
    let about = [
        (texts.text("field-email"), email),
        (texts.text("field-created"), time(&texts, user.created_at)),
        (texts.text("field-id"), id(&texts, &user.id.to_string())),
    ];
    let commands = [session_call(&context, texts.text("profile-command"), "/auth/me")];
    let content = html! {
        (page_heading(&html! { (title) }, None, None))
        (error_summary(&texts, &form.summary(&[DISPLAY_NAME])))
        (card(&texts.text("settings-about"), None, &facts(&about)))
        (card(&texts.text("field-display-name"), None, &post_form(&target, &html! {
            (field(&texts, &display_name))
            (submit_button(&texts, ButtonKind::Primary, &texts.text("settings-save")))
        })))
        (card(&texts.text("preferences-title"), None, &html! {
            p class="note" { (texts.text("profile-preferences-about")) }
            (preference_form(context.view, Some(FROM_PROFILE)))
        }))
        (shell_commands(&texts, &commands))
    };
    PageContent {
        section: Section::Profile,
        has_errors: form.has_errors(),
        ..PageContent::new(title, content)
    }
    .respond(context, status)
}
