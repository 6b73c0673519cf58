//! Signing keys: rotation, and retirement of a leaked key. Both require that the user signed in recently.

use axum::extract::RawQuery;
use axum::http::StatusCode;
use axum::response::Response;
use hexabase_api::html_pages::{PageError, SignInOption};
use hexabase_core::error::Result;
use hexabase_core::model::SigningKey;
use jiff::Timestamp;
use maud::{Markup, html};

use super::{Operator, OperatorSubmission};
use crate::components::{
    ButtonKind, Column, DangerForm, PostForm, Table, Tone, badge, card, danger_form, error_summary,
    page_heading, post_form, shell_commands, submit_button, table,
};
use crate::context::Context;
use crate::flash::Flash;
use crate::form::{Fields, FormState, INTENT, Submission, form_to, invalid_entry};
use crate::language::Texts;
use crate::pages::api_call::api_request;
use crate::pages::filters::Filters;
use crate::pages::reauthentication::{reauthentication, required, sign_in_again};
use crate::pages::{OperatorSection, PageContent, Section};
use crate::response::{PageResult, see_other};
use crate::time::time;
use crate::urls;

/// Facts on the page.
struct KeysPage {
    keys: Vec<SigningKey>,
    /// Key whose retirement is to be confirmed.
    retiring: Option<String>,
    /// Providers to sign in again with; `None` if the user signed in recently.
    reauthentication: Option<Vec<SignInOption>>,
    form: FormState,
    now: Timestamp,
}

impl KeysPage {
    async fn read(context: &Context, retiring: &str, form: FormState) -> Result<Self, PageError> {
        let keys = context.auth().keys().list().await?;
        let retiring = keys.iter().find(|key| key.kid == retiring).map(|key| key.kid.clone());
        let reauthentication = reauthentication(context, urls::SIGNING_KEYS).await?;
        Ok(Self { keys, retiring, reauthentication, form, now: context.platform().clock().now() })
    }
}

pub(super) async fn show(Operator(context): Operator, RawQuery(query): RawQuery) -> PageResult {
    let filters = Filters::new(query.as_deref().unwrap_or_default());
    let facts = KeysPage::read(&context, filters.get("retire"), FormState::default()).await?;
    Ok(page(context, StatusCode::OK, &facts))
}

pub(super) async fn submit(OperatorSubmission(submission): OperatorSubmission) -> PageResult {
    let Submission { context, fields } = submission;
    let is_recent = reauthentication(&context, urls::SIGNING_KEYS).await?.is_none();
    let changed = match (is_recent, fields.get(INTENT)) {
        (false, _) => Err(required(&context.texts())),
        (true, "rotate") => rotate(&context).await,
        (true, _) => retire(&context, &fields).await,
    };
    match changed {
        Ok(text) => Ok(see_other(context, &urls::signing_keys(), &Flash::new(text))),
        Err(error) => {
            let (form, error) = FormState::rejected(context.texts(), &fields, error)?;
            let facts = KeysPage::read(&context, fields.get("kid"), form).await?;
            Ok(page(context, error.status(), &facts))
        }
    }
}

async fn rotate(context: &Context) -> Result<String> {
    let next = context.auth().keys().rotate().await?;
    for key in &next {
        tracing::info!(kid = key.kid, by = %context.caller.principal.user_id, "signing key generated");
    }
    Ok(context.text("keys-rotated"))
}

async fn retire(context: &Context, fields: &Fields) -> Result<String> {
    let kid = fields.get("kid");
    if fields.get("confirm_name") != kid {
        return Err(invalid_entry("confirm_name", context.text("danger-wrong-name")));
    }
    context.auth().keys().retire(kid).await?;
    tracing::info!(kid, by = %context.caller.principal.user_id, "signing key retired");
    Ok(context.text("keys-retired"))
}

fn page(context: Context, status: StatusCode, facts: &KeysPage) -> Response {
    let texts = context.texts();
    let title = texts.text("operators-keys");
    let form = |intent: &str| {
        let mut form = form_to(&context, urls::signing_keys(), None);
        form.hidden.push((INTENT, intent.to_owned()));
        form
    };
    let rotation = api_request(&context, texts.text("keys-command"), "POST", "/admin/keys/rotate", "");
    let content = html! {
        (page_heading(&html! { (title) }, Some(&html! { (texts.text("keys-about")) }), None))
        (error_summary(&texts, &facts.form.summary(&["confirm_name"])))
        (keys(&texts, facts))
        @match &facts.reauthentication {
            Some(options) => (sign_in_again(&texts, options)),
            None => {
                @if let Some(kid) = &facts.retiring { (retirement(&texts, facts, form("retire"), kid)) }
                (card(&texts.text("keys-rotate"), None, &html! {
                    p { (texts.text("keys-rotate-about")) }
                    (post_form(&form("rotate"), &submit_button(&texts, ButtonKind::Primary, &texts.text("keys-rotate"))))
                }))
            },
        }
        (shell_commands(&texts, &[rotation]))
    };
    PageContent {
        section: Section::Operators(OperatorSection::Keys),
        has_errors: facts.form.has_errors(),
        ..PageContent::new(title, content)
    }
    .respond(context, status)
}

/// Use of a signing key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KeyState {
    /// It is published, and signs once the previous key retires.
    Next,
    Signing,
    /// It signs no longer; tokens that it signed are valid until they expire.
    Verifying,
}

fn key_state(key: &SigningKey, all: &[SigningKey], now: Timestamp) -> KeyState {
    let is_signing = |key: &SigningKey| key.retires_at.is_some_and(|at| at > now);
    match key.retires_at {
        Some(_) if is_signing(key) => KeyState::Signing,
        Some(_) => KeyState::Verifying,
        None if all.iter().any(|other| other.algorithm == key.algorithm && is_signing(other)) => {
            KeyState::Next
        }
        None => KeyState::Signing,
    }
}

fn keys(texts: &Texts, facts: &KeysPage) -> Markup {
    let row = |key: &SigningKey| {
        let state = match key_state(key, &facts.keys, facts.now) {
            KeyState::Next => badge(Tone::Busy, &texts.text("keys-next")),
            KeyState::Signing => badge(Tone::Good, &texts.text("keys-signing")),
            KeyState::Verifying => badge(Tone::Neutral, &texts.text("keys-verifying")),
        };
        let retires = html! { @if let Some(at) = key.retires_at { (time(texts, at)) } };
        let query = form_urlencoded::Serializer::new(String::new()).append_pair("retire", &key.kid).finish();
        let href = format!("{}?{query}", urls::signing_keys());
        let label = texts.text_with("keys-retire", &[("kid", (&key.kid).into())]);
        let action = html! {
            @if facts.reauthentication.is_none() {
                a class="button" href=(href) aria-label=(label) { (texts.text("keys-retire-short")) }
            }
        };
        vec![
            html! { code { (key.kid) } },
            html! { code { (key.algorithm.as_str()) } },
            state,
            time(texts, key.created_at),
            retires,
            action,
        ]
        .into()
    };
    table(&Table {
        caption: texts.text("operators-keys"),
        is_caption_hidden: true,
        columns: vec![
            Column::text(texts.text("keys-kid")),
            Column::text(texts.text("keys-algorithm")),
            Column::text(texts.text("task-state")),
            Column::text(texts.text("field-created")),
            Column::text(texts.text("keys-retires")),
            Column::actions(texts.text("actions-label")),
        ],
        rows: facts.keys.iter().map(row).collect(),
    })
}

fn retirement(texts: &Texts, facts: &KeysPage, mut form: PostForm, kid: &str) -> Markup {
    form.hidden.push(("kid", kid.to_owned()));
    danger_form(
        texts,
        &DangerForm {
            form,
            title: texts.text_with("keys-retire", &[("kid", kid.into())]),
            consequences: vec![texts.text("keys-retire-tokens"), texts.text("keys-retire-sessions")],
            typed_name: Some(kid.to_owned()),
            error: facts.form.error("confirm_name"),
            button: texts.text_with("keys-retire", &[("kid", kid.into())]),
            cancel_href: urls::signing_keys(),
        },
    )
}

#[cfg(test)]
mod tests {
    use hexabase_core::model::SignatureAlgorithm;
    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn a_new_key_signs_once_the_previous_one_retires() {
        let now = Timestamp::UNIX_EPOCH;
        let key = |algorithm, retires_in: Option<i64>| SigningKey {
            kid: String::new(),
            algorithm,
            public_jwk: serde_json::Value::Null,
            sealed_private: Vec::new(),
            created_at: now,
            retires_at: retires_in.map(|minutes| now + SignedDuration::from_mins(minutes)),
        };
        let (first, second) = (SignatureAlgorithm::Es256, SignatureAlgorithm::Rs256);
        let keys = [key(first, Some(-1)), key(first, Some(9)), key(first, None), key(second, None)];
        let states = keys.each_ref().map(|key| key_state(key, &keys, now));
        assert_eq!(states, [KeyState::Verifying, KeyState::Signing, KeyState::Next, KeyState::Signing]);
    }
}
