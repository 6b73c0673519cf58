//! Invitation of members, several at once.

use axum::http::StatusCode;
use axum::response::Response;
use hexabase_api::Path;
use hexabase_api::organizations::requests::NewInvitation;
use hexabase_core::access::Action;
use hexabase_core::error::{Check, Error, ErrorKind, Result};
use hexabase_core::id::OrganizationId;
use hexabase_core::model::{Member, Organization, OrganizationRole};
use hexabase_core::platform::{Caller, CreateInvitation, IdempotencyKey};
use maud::html;

use super::member::role_choices;
use crate::components::{
    ButtonKind, Control, Field, Link, Tone, error_summary, field, form_actions, notice, page_heading,
    post_form,
};
use crate::context::Context;
use crate::flash::Flash;
use crate::form::{Fields, FormState, IDEMPOTENCY_KEY, Submission, creating_form, error_text, in_own_words};
use crate::language::Texts;
use crate::pages::{PageContent, Section};
use crate::reasons::violation_text;
use crate::response::{PageResult, see_other};
use crate::urls;

/// Maximum number of addresses in one form.
const MAX_ADDRESSES: usize = 50;

pub(super) async fn show(mut context: Context, Path(org): Path<OrganizationId>) -> PageResult {
    let membership = context.organization_for(org, Action::InvitationCreate).await?;
    let form = FormState::with(context.saved_fields());
    Ok(page(context, StatusCode::OK, &membership, &form, 0))
}

pub(super) async fn submit(
    Path(org): Path<OrganizationId>,
    Submission { context, fields }: Submission,
) -> PageResult {
    let membership = context.organization_for(org, Action::InvitationCreate).await?;
    let commands = match parse(context.texts(), &fields) {
        Ok(commands) => commands,
        Err(error) => {
            let (form, error) = FormState::rejected(context.texts(), &fields, error)?;
            return Ok(page(context, error.status(), &membership, &form, 0));
        }
    };
    let mut check = Check::default();
    let (mut sent, mut remaining) = (0_usize, Vec::new());
    for command in &commands {
        let caller = caller_for(&context.caller, &fields, command)?;
        match context.platform().invitations().create(&caller, org, command).await {
            Ok(_) => sent += 1,
            // One address does not keep the others from being invited; the form then has the remaining ones.
            Err(error) if is_about_the_address(&error) => {
                let text = error_text(context.texts(), error.code(), error.message());
                check.refuse("emails", format!("{}: {text}", command.email));
                remaining.push(command.email.to_string());
            }
            Err(error) => return Err(error.into()),
        }
    }
    if let Err(error) = check.done().map_err(in_own_words) {
        let kept = vec![
            ("emails".to_owned(), remaining.join("\n")),
            ("role".to_owned(), fields.get("role").to_owned()),
        ];
        let (form, error) = FormState::rejected(context.texts(), &Fields::new(kept), error)?;
        return Ok(page(context, error.status(), &membership, &form, sent));
    }
    let text = context.texts().text_with("invitations-sent", &[("count", sent.into())]);
    Ok(see_other(context, &urls::members(org), &Flash::new(text)))
}

/// `true` for an error that concerns one address or a limit, and not the right to invite.
fn is_about_the_address(error: &Error) -> bool {
    use ErrorKind::{AlreadyExists, Conflict, Forbidden, Invalid, QuotaExceeded, RateLimited};
    matches!(error.kind(), AlreadyExists | Conflict | Forbidden | Invalid | QuotaExceeded | RateLimited)
}

/// Returns the invitations of a form.
fn parse(texts: Texts, fields: &Fields) -> Result<Vec<CreateInvitation>> {
    let entered = fields.get("emails");
    let mut addresses: Vec<&str> =
        entered.split([' ', ',', ';', '\n', '\r', '\t', '、']).filter(|part| !part.is_empty()).collect();
    addresses.dedup();
    let mut check = Check::default();
    check.require(!addresses.is_empty(), "emails", texts.text("invite-emails-missing"));
    check.require(
        addresses.len() <= MAX_ADDRESSES,
        "emails",
        texts.text_with("invite-emails-many", &[("limit", MAX_ADDRESSES.into())]),
    );
    let mut commands = Vec::new();
    for address in addresses.iter().take(MAX_ADDRESSES) {
        let request = NewInvitation { email: (*address).to_owned(), role: fields.get("role").to_owned() };
        match request.parse() {
            Ok(command) => commands.push(command),
            Err(error) => {
                for violation in error.violations() {
                    let is_address = violation.field == "email";
                    let field = if is_address { "emails" } else { violation.field.as_str() };
                    let subject = if is_address { format!("{address}: ") } else { String::new() };
                    check.refuse(field, format!("{subject}{}", violation_text(&texts, violation)));
                }
            }
        }
    }
    check.done().map_err(in_own_words)?;
    Ok(commands)
}

/// Returns the caller with an idempotency key for one of the invitations of a form.
fn caller_for(caller: &Caller, fields: &Fields, command: &CreateInvitation) -> Result<Caller> {
    if caller.idempotency.is_none() {
        return Ok(caller.clone());
    }
    let address = command.email.as_str();
    // Addresses can contain characters that a key cannot.
    let encoded: String = form_urlencoded::byte_serialize(address.as_bytes()).collect();
    let key: String = format!("{}.{encoded}", fields.get(IDEMPOTENCY_KEY)).chars().take(255).collect();
    let request = [address.as_bytes(), command.role.as_str().as_bytes()];
    Ok(Caller { idempotency: Some(IdempotencyKey::new(&key, &request)?), ..caller.clone() })
}

fn page(
    context: Context,
    status: StatusCode,
    membership: &(Organization, Member),
    form: &FormState,
    sent: usize,
) -> Response {
    let texts = context.texts();
    let org = membership.0.id;
    let title = texts.text("members-invite");
    let target = creating_form(&context, urls::invite(org), form);
    let emails = Field::new("emails", texts.text("invite-emails"), Control::Lines(4))
        .value(form.value("emails"))
        .error(form.error("emails"))
        .hint(texts.text("invite-emails-hint"))
        .required();
    let roles = Control::Radio(role_choices(&context, membership.1.role));
    let role = Field::new("role", texts.text("field-role"), roles)
        .value(form.value_or("role", OrganizationRole::Member.as_str()))
        .error(form.error("role"))
        .required();
    let content = html! {
        (page_heading(&html! { (title) }, None, None))
        @if sent > 0 {
            (notice(Tone::Good, &texts.text_with("invitations-sent", &[("count", sent.into())]), &html! {}))
        }
        (error_summary(&texts, &form.summary(&["emails", "role"])))
        (post_form(&target, &html! {
            (field(&texts, &emails))
            (field(&texts, &role))
            (form_actions(&texts, ButtonKind::Primary, &texts.text("invite-send"), &urls::members(org)))
        }))
    };
    PageContent {
        section: Section::Members,
        ancestors: vec![Link::new(texts.text("nav-members"), urls::members(org))],
        has_errors: form.has_errors(),
        ..PageContent::new(title, content)
    }
    .in_organization(membership)
    .respond(context, status)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::Language;

    fn parsed(emails: &str) -> Result<Vec<String>> {
        let fields = vec![("emails".to_owned(), emails.to_owned()), ("role".to_owned(), "member".to_owned())];
        Ok(parse(Texts::new(Language::English), &Fields::new(fields))?
            .into_iter()
            .map(|command| command.email.to_string())
            .collect())
    }

    #[test]
    fn addresses_are_separated_by_lines_spaces_or_commas() {
        assert_eq!(parsed("a@b.example, c@d.example\r\n\r\ne@f.example").unwrap().len(), 3);
    }

    #[test]
    fn each_invalid_address_is_named() {
        let error = parsed("a@b.example nonsense other").unwrap_err();
        let fields: Vec<_> =
            error.violations().iter().map(|it| (it.field.as_str(), &it.message[..5])).collect();
        assert_eq!(fields, [("emails", "nonse"), ("emails", "other")]);
        assert!(parsed("").is_err());
        assert!(parsed(&"a@b.example x@y.example ".repeat(30)).is_err());
    }
}
