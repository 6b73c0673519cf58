//! Form of a new API token: name, scopes and a lifetime.

use std::time::Duration;

use hexabase_api::sign_in::requests::NewApiToken;
use hexabase_core::clock::after;
use hexabase_core::error::{Check, Result};
use hexabase_core::platform::CreateToken;
use jiff::Timestamp;
use maud::{Markup, html};

use super::words::{AREAS, scope_text};
use crate::components::{Choice, Control, Field, field};
use crate::form::{Fields, FormState, in_own_words};
use crate::language::Texts;
use crate::reasons::violation_text;
use crate::time::duration_text;

/// Fields of the form, for the summary of errors.
pub(in crate::pages) const FIELDS: [&str; 4] = ["name", SCOPES, LIFETIME, CUSTOM_DAYS];
const SCOPES: &str = "scopes";
const LIFETIME: &str = "lifetime";
const CUSTOM_DAYS: &str = "custom_days";
/// Value of the lifetime that [`CUSTOM_DAYS`] states.
const CUSTOM: &str = "custom";
/// Lifetimes to choose from, in days.
const LIFETIMES: [u16; 4] = [7, 30, 90, 365];
/// Maximum lifetime, in days.
const MAX_DAYS: u16 = 365;
/// Lifetime of a form that is not filled in, in days.
const DEFAULT_DAYS: &str = "30";

/// Returns the token that a form describes. Tokens of the console always expire.
///
/// # Errors
/// `Invalid` with all invalid fields.
pub(in crate::pages) fn parse(texts: Texts, fields: &Fields, now: Timestamp) -> Result<CreateToken> {
    let scopes: Vec<String> =
        fields.entries().filter(|(name, _)| *name == SCOPES).map(|(_, scope)| scope.to_owned()).collect();
    let mut check = Check::default();
    check.require(!scopes.is_empty(), SCOPES, texts.text("token-scopes-missing"));
    let days = match days(fields) {
        Ok(days) => Some(days),
        Err(invalid) => {
            let limit = u64::from(MAX_DAYS);
            check.refuse(invalid, texts.text_with("token-lifetime-invalid", &[("limit", limit.into())]));
            None
        }
    };
    let lifetime = days.map(|days| Duration::from_secs(u64::from(days) * 24 * 60 * 60));
    let expires_at = lifetime.map(|lifetime| after(now, lifetime));
    let command = match (NewApiToken { name: fields.get("name").to_owned(), scopes, expires_at }).parse() {
        Ok(command) => Some(command),
        Err(error) => {
            for violation in error.violations() {
                let is_scope = violation.field.starts_with(SCOPES);
                let field = if is_scope { SCOPES } else { &violation.field };
                check.refuse(field, violation_text(&texts, violation));
            }
            None
        }
    };
    check.all(command).map_err(in_own_words)
}

/// Returns the lifetime in days, or the field that is invalid.
fn days(fields: &Fields) -> std::result::Result<u16, &'static str> {
    let parsed = |name: &'static str| fields.get(name).trim().parse::<u16>().map_err(|_| name);
    match fields.get(LIFETIME) {
        CUSTOM => parsed(CUSTOM_DAYS).and_then(|days| match days {
            1..=MAX_DAYS => Ok(days),
            _ => Err(CUSTOM_DAYS),
        }),
        _ => parsed(LIFETIME).and_then(|days| LIFETIMES.contains(&days).then_some(days).ok_or(LIFETIME)),
    }
}

/// Fields of a new token.
pub(in crate::pages) fn token_fields(texts: &Texts, form: &FormState) -> Markup {
    let name = Field::line("name", texts.text("field-name"))
        .value(form.value("name"))
        .error(form.error("name"))
        .hint(texts.text("token-name-hint"))
        .required();
    let days = |days: u16| {
        Choice::new(days.to_string(), duration_text(texts, Duration::from_secs(u64::from(days) * 86_400)))
    };
    let mut lifetimes: Vec<Choice> = LIFETIMES.into_iter().map(days).collect();
    lifetimes.push(Choice::new(CUSTOM, texts.text("token-lifetime-custom")));
    let lifetime = Field::new(LIFETIME, texts.text("token-lifetime"), Control::Radio(lifetimes))
        .value(form.value_or(LIFETIME, DEFAULT_DAYS))
        .error(form.error(LIFETIME))
        .required();
    let number = Control::Line { kind: "number", autocomplete: "off", suggestions: Vec::new() };
    let limit = u64::from(MAX_DAYS);
    let custom = Field::new(CUSTOM_DAYS, texts.text("token-lifetime-days"), number)
        .value(form.value(CUSTOM_DAYS))
        .error(form.error(CUSTOM_DAYS))
        .hint(texts.text_with("token-lifetime-hint", &[("limit", limit.into())]));
    html! {
        (field(texts, &name))
        (scopes(texts, form))
        (field(texts, &lifetime))
        (field(texts, &custom))
    }
}

/// Check boxes of the scopes by area.
fn scopes(texts: &Texts, form: &FormState) -> Markup {
    let chosen: Vec<String> = form
        .fields()
        .entries()
        .filter(|(name, _)| *name == SCOPES)
        .map(|(_, scope)| scope.to_owned())
        .collect();
    let error = form.error(SCOPES);
    let described_by = if error.is_some() { "scopes-hint scopes-error" } else { "scopes-hint" };
    html! {
        fieldset class="areas" id=(SCOPES) tabindex="-1" aria-describedby=(described_by) {
            legend { (texts.text("token-scopes")) }
            p class="hint" id="scopes-hint" { (texts.text("token-scopes-hint")) }
            @if let Some(error) = &error { p class="error" id="scopes-error" { (error) } }
            @for (area, scopes) in AREAS {
                @let (label, id) = area.words(*texts);
                @let choices = scopes.iter().map(|scope| Choice::new(scope.to_string(), scope_text(*texts, *scope)));
                @let boxes = Field::new(SCOPES, label, Control::Checks(choices.collect())).required();
                (field(texts, &Field { id: id.to_owned(), values: chosen.clone(), ..boxes }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use hexabase_core::fixture::FIXTURE_TIME;
    use hexabase_core::model::Scope;

    use super::*;
    use crate::language::Language;

    fn parsed(fields: &[(&str, &str)]) -> Result<CreateToken> {
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        parse(Texts::new(Language::English), &Fields::new(fields), FIXTURE_TIME)
    }

    #[test]
    fn a_token_has_the_chosen_scopes_and_lifetime() {
        let fields = [
            ("name", "ci"),
            ("scopes", "workspaces:read"),
            ("scopes", "clusters:access"),
            ("lifetime", "90"),
        ];
        let command = parsed(&fields).unwrap();
        assert_eq!(command.scopes.iter().collect::<Vec<_>>(), [Scope::WorkspacesRead, Scope::ClusterAccess]);
        assert_eq!(command.expires_at, Some(after(FIXTURE_TIME, Duration::from_secs(90 * 86_400))));
        let custom = [("name", "ci"), ("scopes", "all"), ("lifetime", "custom"), ("custom_days", "14")];
        let expiry = parsed(&custom).unwrap().expires_at;
        assert_eq!(expiry, Some(after(FIXTURE_TIME, Duration::from_secs(14 * 86_400))));
    }

    #[test]
    fn all_invalid_fields_are_named_and_a_token_without_expiry_is_rejected() {
        let rejected = |fields: &[(&str, &str)]| -> Vec<String> {
            let error = parsed(fields).unwrap_err();
            error.violations().iter().map(|violation| violation.field.clone()).collect()
        };
        assert_eq!(rejected(&[]), ["scopes", "lifetime", "name"]);
        let all = |lifetime, days| {
            [("name", "ci"), ("scopes", "all"), ("lifetime", lifetime), ("custom_days", days)]
        };
        for (lifetime, days, field) in [
            ("", "", "lifetime"),
            ("8", "", "lifetime"),
            ("never", "", "lifetime"),
            ("custom", "", "custom_days"),
            ("custom", "0", "custom_days"),
            ("custom", "366", "custom_days"),
            ("custom", "-1", "custom_days"),
        ] {
            assert_eq!(rejected(&all(lifetime, days)), [field], "{lifetime} {days}");
        }
        let unknown = [("name", "ci"), ("scopes", "everything"), ("lifetime", "7")];
        assert_eq!(rejected(&unknown), ["scopes"]);
    }
}
