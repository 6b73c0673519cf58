//! Requests of sign-in, and about API tokens.

use hexabase_core::error::{Check, Result};
use hexabase_core::model::{Scope, Scopes};
use hexabase_core::name::{DisplayName, Email};
use hexabase_core::platform::CreateToken;
use hexabase_core::secret::SecretString;
use jiff::Timestamp;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::requests::parse_optional;
use crate::schema;

/// API token to create.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewApiToken {
    /// Name for display.
    #[schema(example = "deploy from CI")]
    pub name: String,
    /// Scopes that restrict the use of the token.
    #[schema(example = json!(["workspaces:read", "clusters:access"]), value_type = Vec<schema::ApiTokenScope>)]
    pub scopes: Vec<String>,
    /// Expiry time; no expiry by default.
    pub expires_at: Option<Timestamp>,
}

impl NewApiToken {
    /// Validates the request.
    ///
    /// # Errors
    /// `Invalid` with all invalid fields.
    pub fn parse(self) -> Result<CreateToken> {
        let mut check = Check::default();
        let name = check.field("name", DisplayName::parse(&self.name));
        let scope = |(index, text): (usize, &String)| (format!("scopes[{index}]"), text.parse::<Scope>());
        let mut scopes = Vec::new();
        for (field, scope) in self.scopes.iter().enumerate().map(scope) {
            scopes.extend(check.field(field, scope));
        }
        let name = check.all(name)?;
        Ok(CreateToken { name, scopes: Scopes::from_iter(scopes), expires_at: self.expires_at })
    }
}

/// Changes to the user of the request.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserPatch {
    /// Name for display.
    #[schema(example = "Ann")]
    pub name: String,
}

impl UserPatch {
    /// Validates the request, and returns the name.
    ///
    /// # Errors
    /// `Invalid` for a name that is not a display name.
    pub fn parse(self) -> Result<DisplayName> {
        let mut check = Check::default();
        let name = check.field("name", DisplayName::parse(&self.name));
        check.all(name)
    }
}

/// Options of a sign-in.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct LoginQuery {
    /// Path on this server to return to afterwards.
    #[serde(default = "home")]
    #[param(default = "/")]
    pub return_to: String,
    /// Expected user, as the user would enter it at the provider.
    pub login_hint: Option<String>,
    /// `login` to require authentication again, although the provider may have a session for the browser.
    pub prompt: Option<Prompt>,
}

/// Demand on the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Prompt {
    /// The user must authenticate again.
    Login,
}

fn home() -> String {
    "/".to_owned()
}

/// Options of linking an account.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LinkOptions {
    /// Path on this server to return to afterwards.
    #[serde(default = "home")]
    #[schema(default = "/")]
    pub return_to: String,
}

/// Authorization response of the provider. Unknown parameters are ignored.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct CallbackQuery {
    /// Authorization code, if the sign-in succeeded.
    #[param(value_type = Option<String>)]
    pub code: Option<SecretString>,
    /// `state` of the authorization request.
    pub state: Option<String>,
    /// Issuer of the response (RFC 9207).
    pub iss: Option<String>,
    /// Error code of the provider, if the sign-in failed.
    pub error: Option<String>,
}

/// Refresh token to exchange.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Refresh {
    /// Refresh token of the previous pair.
    #[schema(value_type = String, format = Password)]
    pub refresh_token: SecretString,
}

/// Identity to sign in with.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DevIdentity {
    /// E-mail address, which counts as verified.
    #[schema(example = "ann@example.com", format = "email")]
    pub email: String,
    /// Name of the user; the e-mail address by default.
    #[schema(example = "Ann")]
    pub name: Option<String>,
}

impl DevIdentity {
    /// Validates the request, and returns the address and the name.
    ///
    /// # Errors
    /// `Invalid` with all invalid fields.
    pub fn parse(self) -> Result<(Email, Option<DisplayName>)> {
        let mut check = Check::default();
        let email = check.field("email", Email::parse(&self.email));
        let name = check.field("name", parse_optional(&self.name, DisplayName::parse));
        check.all((email, name))
    }
}
