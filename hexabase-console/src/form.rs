//! Forms of pages.

use std::borrow::Cow;

use axum::body::Bytes;
use axum::extract::{FromRef as _, FromRequest, FromRequestParts as _, Request};
use axum::http::Method;
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Redirect, Response};
use axum_extra::extract::CookieJar;
use hexabase_api::html_pages::PageError;
use hexabase_api::layers::RequestContext;
use hexabase_api::requests::from_form;
use hexabase_api::{ApiError, PageCaller};
use hexabase_core::Platform;
use hexabase_core::error::{Error, ErrorKind, Violation};
use hexabase_core::platform::IdempotencyKey;
use hexabase_core::version::Version;
use serde::de::DeserializeOwned;
use unicode_normalization::UnicodeNormalization as _;
use utoipa::PartialSchema;

use crate::components::{PostForm, SummaryError};
use crate::context::Context;
use crate::language::{Language, Texts};
use crate::reasons::{field_label, violation_text};
use crate::routes::routes;
use crate::state::ConsoleState;
use crate::{csrf, saved_form, urls};

/// Field with the token of [`csrf`].
pub(crate) const CSRF: &str = "csrf";
/// Field with the version of the object that the user saw.
pub(crate) const VERSION: &str = "version";
/// Field with the idempotency key, so that a form that is sent twice has one effect.
pub(crate) const IDEMPOTENCY_KEY: &str = "idempotency_key";
/// Field with the button that was used, in forms with several.
pub(crate) const INTENT: &str = "intent";
/// Fields that are no part of the request of the API.
const CONTROL_FIELDS: [&str; 4] = [CSRF, VERSION, IDEMPOTENCY_KEY, INTENT];
/// Fields whose values have compatible characters, such as those of a Japanese keyboard in full width.
const NORMALIZED_FIELDS: [&str; 7] =
    ["name", "email", "emails", "token", "confirm_name", "kubernetes_version", "amount"];
/// Maximum number of fields of a form.
const MAX_FIELDS: usize = 1_000;

/// Fields of a form, in their order.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Fields(Vec<(String, String)>);

impl std::fmt::Debug for Fields {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

impl Fields {
    /// Creates the fields with these names and values.
    #[must_use]
    pub(crate) fn new(fields: Vec<(String, String)>) -> Self {
        Self(fields)
    }

    /// Parses a form (`application/x-www-form-urlencoded`).
    fn parse_body(body: &[u8]) -> Result<Self, ApiError> {
        let normalized = |(name, value): (Cow<'_, str>, Cow<'_, str>)| {
            let value = match NORMALIZED_FIELDS.contains(&&*name) {
                true => value.nfkc().collect::<String>().trim().to_owned(),
                false => value.into_owned(),
            };
            (name.into_owned(), value)
        };
        let fields: Vec<_> = form_urlencoded::parse(body).take(MAX_FIELDS + 1).map(normalized).collect();
        if fields.len() > MAX_FIELDS {
            return Err(ApiError::malformed(format!("a form has at most {MAX_FIELDS} fields")));
        }
        Ok(Self(fields))
    }

    /// Returns the fields without those that concern the form itself.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&str, &str)> {
        let fields = self.0.iter().filter(|(name, _)| !CONTROL_FIELDS.contains(&name.as_str()));
        fields.map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Returns the first value of a field; empty if there is none.
    #[must_use]
    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// Returns the request that the form describes: see [`from_form`].
    ///
    /// # Errors
    /// `Invalid` with all invalid fields.
    pub(crate) fn parse<T: DeserializeOwned + PartialSchema>(&self) -> Result<T, Error> {
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(self.entries()).finish();
        from_form(form.as_bytes())
    }
}

/// Form that a signed-in user has sent from a page of this session, as an extractor. If the session has ended, the entries
/// are kept while the user signs in.
#[derive(Debug)]
pub(crate) struct Submission {
    /// Context of the request. Its caller has the idempotency key of the form.
    pub context: Context,
    /// Fields of the form.
    pub fields: Fields,
}

impl Submission {
    /// Returns the version of the object that the user saw; `None` if the form has none.
    #[must_use]
    pub(crate) fn version(&self) -> Option<Version> {
        self.fields.get(VERSION).parse().ok().map(Version::new)
    }
}

impl FromRequest<ConsoleState> for Submission {
    type Rejection = Response;

    async fn from_request(request: Request, state: &ConsoleState) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let content_type = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let essence = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            let message = "the body must be a form: application/x-www-form-urlencoded";
            return Err(page_error(ApiError::malformed(message)));
        }
        let bytes = Bytes::from_request(Request::from_parts(parts.clone(), body), state).await;
        let bytes = bytes.map_err(|_| page_error(ApiError::malformed("the form cannot be read")))?;
        let fields = Fields::parse_body(&bytes).map_err(page_error)?;
        let caller = PageCaller::from_request_parts(&mut parts, state).await;
        let Some(caller) = caller.map_err(|error| error.into_response())?.0 else {
            return Err(sign_in_again(&parts, state, &fields));
        };
        let platform = Platform::from_ref(state);
        if !csrf::is_valid(&platform, &caller.principal, fields.get(CSRF)) {
            return Err(page_error(ApiError::foreign_form()));
        }
        let path = parts.uri.path().to_owned();
        let mut context =
            Context::load(&mut parts, state, caller).await.map_err(|error| error.into_response())?;
        let key = fields.get(IDEMPOTENCY_KEY);
        if !key.is_empty() {
            let request = fields.entries().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]);
            let request: Vec<&[u8]> = std::iter::once(path.as_bytes()).chain(request).collect();
            let key = IdempotencyKey::new(key, &request).map_err(|error| page_error(error.into()))?;
            context.caller.idempotency = Some(key);
        }
        Ok(Self { context, fields })
    }
}

fn page_error(error: ApiError) -> Response {
    PageError::from(error).into_response()
}

/// Sends a user whose session has ended to the sign-in, and keeps the entries of the form. Forms without a page of their
/// own, such as buttons in tables, lead to the start page.
fn sign_in_again(parts: &Parts, state: &ConsoleState, fields: &Fields) -> Response {
    let template = RequestContext::of(&parts.extensions).route.clone();
    if *template == *urls::SIGN_OUT {
        return Redirect::to(&urls::signed_out()).into_response();
    }
    let has_page = routes().iter().any(|route| route.method == Method::GET && route.path == &*template);
    if !has_page {
        return Redirect::to(&urls::sign_in_for(urls::HOME)).into_response();
    }
    let path = parts.uri.path();
    let user = csrf::user_of(fields.get(CSRF));
    let jar = CookieJar::from_headers(&parts.headers);
    let (jar, _) = saved_form::save(state.api.auth(), jar, path, user, fields);
    (jar, Redirect::to(&urls::sign_in_for(path))).into_response()
}

/// Error of a field of a form.
#[derive(Debug, Clone)]
struct FieldError {
    /// Name of the field.
    name: String,
    /// Label of the field, or its name.
    label: String,
    message: String,
}

/// Entries and errors of a form that is shown.
#[derive(Debug, Clone, Default)]
pub(crate) struct FormState {
    fields: Fields,
    errors: Vec<FieldError>,
    /// Error of the form as a whole.
    general: Option<String>,
}

impl FormState {
    /// Returns a form with these entries and no errors.
    #[must_use]
    pub(crate) fn with(fields: Fields) -> Self {
        Self { fields, ..Self::default() }
    }

    /// Returns a form that was rejected.
    ///
    /// # Errors
    /// The error itself if the user cannot remedy it in the form.
    pub(crate) fn rejected(
        texts: Texts,
        fields: &Fields,
        error: Error,
    ) -> Result<(Self, ApiError), PageError> {
        let is_remediable = matches!(
            error.kind(),
            ErrorKind::Invalid
                | ErrorKind::AlreadyExists
                | ErrorKind::Conflict
                | ErrorKind::QuotaExceeded
                | ErrorKind::RateLimited
                | ErrorKind::Unsupported
                | ErrorKind::Unavailable
        );
        if !is_remediable {
            return Err(error.into());
        }
        let own_words = error.code() == OWN_WORDS;
        let text = |violation: &Violation| match own_words {
            true => violation.message.clone(),
            false => violation_text(&texts, violation),
        };
        let field_error = |it: &Violation| FieldError {
            name: it.field.clone(),
            label: field_label(&texts, &it.field).unwrap_or_else(|| it.field.clone()),
            message: text(it),
        };
        let errors: Vec<_> = error.violations().iter().map(field_error).collect();
        let error = ApiError::from(error);
        let general = errors.is_empty().then(|| error_text(texts, error.code(), &error.detail()));
        Ok((Self { fields: fields.clone(), errors, general }, error))
    }

    /// Returns the entries.
    #[must_use]
    pub(crate) fn fields(&self) -> &Fields {
        &self.fields
    }

    /// Returns the entry of a field, or the default if the form has no such entry.
    #[must_use]
    pub(crate) fn value_or(&self, name: &str, default: &str) -> String {
        let is_known = self.fields.0.iter().any(|(known, _)| known == name);
        if is_known { self.fields.get(name).to_owned() } else { default.to_owned() }
    }

    /// Returns the entry of a field; empty if there is none.
    #[must_use]
    pub(crate) fn value(&self, name: &str) -> String {
        self.value_or(name, "")
    }

    /// Returns the error of a field.
    #[must_use]
    pub(crate) fn error(&self, name: &str) -> Option<String> {
        self.errors.iter().find(|error| error.name == name).map(|error| error.message.clone())
    }

    /// Returns the errors for the summary; those of fields that the form does not have belong to the form as a whole.
    #[must_use]
    pub(crate) fn summary(&self, fields: &[&str]) -> Vec<SummaryError> {
        let of_fields = self.errors.iter().map(|FieldError { name, label, message }| {
            let is_shown = fields.contains(&name.as_str());
            SummaryError { field_id: is_shown.then(|| name.clone()), message: format!("{label}: {message}") }
        });
        let general =
            self.general.iter().map(|message| SummaryError { field_id: None, message: message.clone() });
        of_fields.chain(general).collect()
    }

    /// `true` if the form was rejected.
    #[must_use]
    pub(crate) fn has_errors(&self) -> bool {
        self.general.is_some() || !self.errors.is_empty()
    }
}

/// Code of errors whose messages are in the language of the page.
const OWN_WORDS: &str = "invalid_entry";

/// Error of an entry that a page itself checks, with its message in the language of the page.
pub(crate) fn invalid_entry(field: impl Into<String>, message: String) -> Error {
    in_own_words(Error::invalid(field, message))
}

/// Error whose messages are in the language of the page.
pub(crate) fn in_own_words(error: Error) -> Error {
    error.with_code(OWN_WORDS)
}

/// Returns the text of an error code in the language of the page, or else the description of the API.
pub(crate) fn error_text(texts: Texts, code: &str, detail: &str) -> String {
    known_error_text(texts, code).unwrap_or_else(|| detail.to_owned())
}

/// Returns the text of an error code in the language of the page; `None` if the code has none.
pub(crate) fn known_error_text(texts: Texts, code: &str) -> Option<String> {
    let text = match code {
        "not_found" => texts.text("error-not-found"),
        "forbidden" | "insufficient_role" => texts.text("error-forbidden"),
        "unauthenticated" => texts.text("error-unauthenticated"),
        "csrf" => texts.text("error-csrf"),
        "rate_limited" => texts.text("error-rate-limited"),
        "unavailable" => texts.text("error-unavailable"),
        "unexpected" => texts.text("error-unexpected"),
        "already_exists" => texts.text("error-already-exists"),
        "last_owner" => texts.text("error-last-owner"),
        "subscription_active" => texts.text("error-subscription-active"),
        "workspace_deleting" => texts.text("error-workspace-deleting"),
        "workspace_suspended" => texts.text("error-workspace-suspended"),
        "workspace_running" => texts.text("error-workspace-running"),
        "workspace_not_ready" => texts.text("error-workspace-not-ready"),
        "billing_suspended" => texts.text("error-billing-suspended"),
        "organization_deleting" => texts.text("error-organization-deleting"),
        "organization_suspended" => texts.text("error-organization-suspended"),
        "already_member" => texts.text("error-already-member"),
        "no_payment_method" => texts.text("error-no-payment-method"),
        "payment_failed" => texts.text("error-payment-failed"),
        "order_pending" => texts.text("error-order-pending"),
        "last_payment_method" => texts.text("error-last-payment-method"),
        "default_payment_method" => texts.text("error-default-payment-method"),
        "last_identity" => texts.text("error-last-identity"),
        _ if texts.language() == Language::English => return None,
        // The descriptions of the API name numbers and objects, which English pages show.
        "quota_exceeded" => texts.text("error-quota-exceeded"),
        "not_in_plan" => texts.text("error-not-in-plan"),
        "plan_not_paid_for" => texts.text("error-plan-not-paid-for"),
        "payment_overdue" => texts.text("error-payment-overdue"),
        _ => return None,
    };
    Some(text)
}

/// Form that is sent to a path, with its token and, if given, the version of the object.
pub(crate) fn form_to(context: &Context, action: String, version: Option<Version>) -> PostForm {
    let mut hidden = vec![(CSRF, context.form_token())];
    hidden.extend(version.map(|version| (VERSION, version.number().to_string())));
    PostForm { action, hidden }
}

/// Form that creates an object, once even if it is sent twice.
pub(crate) fn creating_form(context: &Context, action: String, form: &FormState) -> PostForm {
    let mut created = form_to(context, action, None);
    let key = match form.fields.get(IDEMPOTENCY_KEY) {
        // A rejected request with other entries is another request.
        _ if form.has_errors() => context.idempotency_key(),
        "" => context.idempotency_key(),
        kept => kept.to_owned(),
    };
    created.hidden.push((IDEMPOTENCY_KEY, key));
    created
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_are_normalized_and_other_texts_are_not() {
        let fields =
            Fields::parse_body("name=ｓｈｏｐ&display_name=①&email=+ａ＠ｂ.example+".as_bytes()).unwrap();
        let values: Vec<_> = fields.entries().collect();
        assert_eq!(values, [("name", "shop"), ("display_name", "①"), ("email", "a@b.example")]);
    }

    #[test]
    fn fields_of_the_form_itself_are_no_part_of_the_request() {
        let fields = Fields::parse_body(b"csrf=x&version=3&idempotency_key=k&intent=save&name=a").unwrap();
        assert_eq!(fields.entries().collect::<Vec<_>>(), [("name", "a")]);
        assert_eq!(fields.get(VERSION), "3");
        assert!(!format!("{fields:?}").contains('x'), "values are not logged");
    }

    #[test]
    fn a_form_with_too_many_fields_is_rejected() {
        let body = "a=1&".repeat(MAX_FIELDS + 1);
        assert_eq!(Fields::parse_body(body.as_bytes()).unwrap_err().status(), 400);
    }

    #[test]
    fn rejected_entries_are_kept_with_the_errors_of_their_fields() {
        let fields = Fields::parse_body(b"name=-&display_name=Shop").unwrap();
        let texts = Texts::new(crate::language::Language::English);
        let error = Error::invalid("name", "must be a DNS label");
        let (form, error) = FormState::rejected(texts, &fields, error).unwrap();
        assert_eq!((error.status().as_u16(), form.value("display_name").as_str()), (422, "Shop"));
        assert_eq!(form.error("name").as_deref(), Some("must be a DNS label"));
        assert_eq!(form.summary(&["name"])[0].field_id.as_deref(), Some("name"));
        assert!(FormState::rejected(texts, &fields, Error::forbidden("no")).is_err());
    }
}
