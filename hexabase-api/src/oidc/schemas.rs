//! Messages of OAuth 2.0 and OpenID Connect in the OpenAPI document. The grants validate forms themselves, since their
//! errors are those of OAuth 2.0; some responses are claims of a shape that depends on scopes.

use hexabase_auth::issuer::{DeviceAuthorization, TokenResponse};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::schema;

/// Grant type of a token request.
#[derive(Deserialize, ToSchema)]
pub(super) enum GrantType {
    #[serde(rename = "authorization_code")]
    AuthorizationCode,
    #[serde(rename = "refresh_token")]
    RefreshToken,
    #[serde(rename = "urn:ietf:params:oauth:grant-type:device_code")]
    DeviceCode,
    #[serde(rename = "urn:ietf:params:oauth:grant-type:token-exchange")]
    TokenExchange,
}

/// Response type of an authorization request.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum ResponseType {
    Code,
}

/// Method of a code challenge (RFC 7636).
#[derive(Deserialize, ToSchema)]
pub(super) enum CodeChallengeMethod {
    S256,
}

/// Decision of the user on a consent page.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum ConsentDecision {
    Allow,
    Deny,
}

/// Type of a token in a response: `N_A` for a token that is not an access token (RFC 8693 section 2.2.1).
#[derive(Deserialize, ToSchema)]
pub(super) enum IssuedTokenType {
    Bearer,
    #[serde(rename = "N_A")]
    NotApplicable,
}

/// Declares messages, which only describe themselves.
macro_rules! messages {
    ($($(#[$attribute:meta])* struct $name:ident $body:tt)+) => {$(
        #[derive(Deserialize, ToSchema)]
        $(#[$attribute])*
        #[expect(dead_code, reason = "describes a message in the OpenAPI document")]
        pub(super) struct $name $body
    )+};
}

messages! {
    /// Authentication of a client in a form (RFC 6749 section 2.3.1, RFC 7521 section 4.2). A client with a secret can
    /// send `Authorization: Basic` instead.
    struct ClientAuthentication {
        /// Id of the client.
        client_id: Option<String>,
        /// Secret of the client.
        #[schema(format = Password)]
        client_secret: Option<String>,
        /// `urn:ietf:params:oauth:client-assertion-type:jwt-bearer`, with `client_assertion`.
        client_assertion_type: Option<String>,
        /// JWT that the client signed.
        client_assertion: Option<String>,
    }

    /// Token request (RFC 6749, RFC 8628, RFC 8693).
    #[schema(as = OAuthTokenRequest)]
    struct TokenRequest {
        /// Grant type.
        grant_type: GrantType,
        /// Authorization code, for `authorization_code`.
        code: Option<String>,
        /// Redirect URI of the authorization request, for `authorization_code`.
        #[schema(format = "uri")]
        redirect_uri: Option<String>,
        /// PKCE verifier, for `authorization_code`.
        code_verifier: Option<String>,
        /// Refresh token, for `refresh_token`.
        refresh_token: Option<String>,
        /// Device code, for the grant of devices.
        device_code: Option<String>,
        /// Requested scope, separated by spaces.
        scope: Option<String>,
        /// Id of the workspace for which the exchanged token is valid, or the URL of this server for its API, for the token
        /// exchange.
        audience: Option<String>,
        /// Token to exchange, for the token exchange.
        subject_token: Option<String>,
        /// Type of the token to exchange, for the token exchange.
        subject_token_type: Option<String>,
        /// Type of the requested token, for the token exchange.
        requested_token_type: Option<String>,
        #[serde(flatten)]
        client: ClientAuthentication,
    }

    /// Device authorization request (RFC 8628 section 3.1).
    struct DeviceAuthorizationRequest {
        /// Requested scope, separated by spaces.
        scope: Option<String>,
        #[serde(flatten)]
        client: ClientAuthentication,
    }

    /// Revocation request (RFC 7009 section 2.1).
    struct RevocationRequest {
        /// Access or refresh token to revoke.
        token: String,
        /// Type of the token; ignored, since its form shows the type.
        token_type_hint: Option<String>,
        #[serde(flatten)]
        client: ClientAuthentication,
    }

    /// Introspection request (RFC 7662 section 2.1).
    struct IntrospectionRequest {
        /// Access or refresh token to introspect.
        token: String,
        /// Type of the token; ignored, since its form shows the type.
        token_type_hint: Option<String>,
        #[serde(flatten)]
        client: ClientAuthentication,
    }

    /// Authorization request, or the decision of the user on the consent page.
    struct AuthorizationForm {
        /// Id of the client.
        client_id: Option<String>,
        /// Redirect URI of the client.
        #[schema(format = "uri")]
        redirect_uri: Option<String>,
        /// Response type.
        response_type: Option<ResponseType>,
        /// Requested scope, separated by spaces.
        scope: Option<String>,
        /// Value that is returned to the client unchanged.
        state: Option<String>,
        /// Value that the ID token repeats.
        nonce: Option<String>,
        /// PKCE challenge.
        code_challenge: Option<String>,
        /// Method of the PKCE challenge.
        code_challenge_method: Option<CodeChallengeMethod>,
        /// Prompts for the user, separated by spaces: `none`, `login`, `consent`, `select_account`.
        prompt: Option<String>,
        /// Maximum time since the last sign-in, in seconds.
        max_age: Option<u64>,
        /// Expected user, as the user would enter it at the provider.
        login_hint: Option<String>,
        /// ID token of the expected user.
        id_token_hint: Option<String>,
        /// Handle of the request that the consent page continues.
        #[serde(rename = "continue")]
        handle: Option<String>,
        /// Decision of the user on the consent page.
        decision: Option<ConsentDecision>,
        /// CSRF token of the consent page.
        csrf: Option<String>,
    }

    /// Decision of the user on the request of a device.
    struct DeviceConsentForm {
        /// Code that the device shows.
        user_code: String,
        /// Decision of the user.
        decision: ConsentDecision,
        /// CSRF token of the page.
        csrf: String,
    }

    /// Logout request (OpenID Connect RP-Initiated Logout 1.0), or its confirmation by the user.
    struct LogoutForm {
        /// ID token of the user.
        id_token_hint: Option<String>,
        /// Id of the client.
        client_id: Option<String>,
        /// URI of the client to redirect to afterwards.
        #[schema(format = "uri")]
        post_logout_redirect_uri: Option<String>,
        /// Value that is returned to the client unchanged.
        state: Option<String>,
        /// CSRF token of the confirmation page.
        csrf: Option<String>,
    }

    /// Claims about a user (OpenID Connect Core 1.0 section 5.3.2). The scopes of the access token determine which
    /// claims are present.
    struct UserInfo {
        /// Id of the user.
        #[schema(value_type = schema::UserId)]
        sub: String,
        /// Id of the organization, for a client of a tenant cluster.
        #[schema(value_type = Option<schema::OrganizationId>)]
        org: Option<String>,
        /// Groups of the user: those in the tenant cluster, or the organizations with the role in each.
        groups: Option<Vec<String>>,
        /// Verified e-mail address.
        #[schema(format = "email")]
        email: Option<String>,
        /// `true` if the e-mail address is verified.
        email_verified: Option<bool>,
        /// Name of the user for display.
        name: Option<String>,
    }

    /// State of a token (RFC 7662 section 2.2). Only `active` is present for an inactive token.
    struct Introspection {
        /// `true` if the token is valid and was issued to the client.
        active: bool,
        /// Scope of the token, separated by spaces.
        scope: Option<String>,
        /// Id of the client.
        client_id: Option<String>,
        /// `Bearer` for an access token, `refresh_token` for a refresh token.
        token_type: Option<String>,
        /// Expiry time, in seconds since the Unix epoch.
        exp: Option<i64>,
        /// Time of issue, in seconds since the Unix epoch.
        iat: Option<i64>,
        /// Id of the user.
        #[schema(value_type = Option<schema::UserId>)]
        sub: Option<String>,
        /// Issuer of the token.
        #[schema(format = "uri")]
        iss: Option<String>,
    }

    /// Public signing keys (RFC 7517 section 5).
    struct JsonWebKeySet {
        /// Public signing keys.
        keys: Vec<JsonWebKey>,
    }

    /// Public signing key (RFC 7517 section 4, RFC 7518 section 6).
    struct JsonWebKey {
        /// Id of the key.
        kid: String,
        /// Key type.
        #[schema(example = "EC")]
        kty: String,
        /// Signature algorithm.
        #[schema(value_type = schema::SignatureAlgorithm)]
        alg: String,
        /// Use of the key, always `sig`.
        #[serde(rename = "use")]
        #[schema(example = "sig")]
        usage: String,
        /// Curve of an EC key.
        #[schema(example = "P-256")]
        crv: Option<String>,
        /// X coordinate of an EC key.
        x: Option<String>,
        /// Y coordinate of an EC key.
        y: Option<String>,
        /// Modulus of an RSA key.
        n: Option<String>,
        /// Exponent of an RSA key.
        e: Option<String>,
    }

    /// Metadata of the OpenID Connect provider (OpenID Connect Discovery 1.0 section 3, RFC 8414 section 2).
    struct ProviderMetadata {
        #[schema(format = "uri")]
        issuer: String,
        #[schema(format = "uri")]
        authorization_endpoint: String,
        #[schema(format = "uri")]
        token_endpoint: String,
        #[schema(format = "uri")]
        device_authorization_endpoint: String,
        #[schema(format = "uri")]
        userinfo_endpoint: String,
        #[schema(format = "uri")]
        revocation_endpoint: String,
        #[schema(format = "uri")]
        introspection_endpoint: String,
        #[schema(format = "uri")]
        end_session_endpoint: String,
        #[schema(format = "uri")]
        jwks_uri: String,
        scopes_supported: Vec<String>,
        response_types_supported: Vec<String>,
        response_modes_supported: Vec<String>,
        grant_types_supported: Vec<String>,
        code_challenge_methods_supported: Vec<String>,
        subject_types_supported: Vec<String>,
        id_token_signing_alg_values_supported: Vec<String>,
        token_endpoint_auth_methods_supported: Vec<String>,
        token_endpoint_auth_signing_alg_values_supported: Vec<String>,
        revocation_endpoint_auth_methods_supported: Vec<String>,
        revocation_endpoint_auth_signing_alg_values_supported: Vec<String>,
        introspection_endpoint_auth_methods_supported: Vec<String>,
        introspection_endpoint_auth_signing_alg_values_supported: Vec<String>,
        authorization_response_iss_parameter_supported: bool,
        prompt_values_supported: Vec<String>,
        claim_types_supported: Vec<String>,
        claims_supported: Vec<String>,
        claims_parameter_supported: bool,
        request_parameter_supported: bool,
        request_uri_parameter_supported: bool,
    }
}

/// Successful response to a token request (RFC 6749 section 5.1, RFC 8693 section 2.2).
#[derive(Serialize, ToSchema)]
#[schema(as = OAuthTokenResponse)]
pub(super) struct TokenResponseView {
    /// Access token, or the issued token after a token exchange.
    access_token: String,
    /// Type of the token.
    #[schema(value_type = IssuedTokenType)]
    token_type: &'static str,
    /// Lifetime of the token, in seconds.
    expires_in: u64,
    /// Token to exchange for the next tokens, once; absent without the scope `offline_access` and after a token
    /// exchange.
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    /// ID token; absent after a token exchange.
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token: Option<String>,
    /// Granted scope; absent with a cluster token.
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    /// Type of the token that a token exchange issued; absent for other grants.
    #[serde(skip_serializing_if = "Option::is_none")]
    issued_token_type: Option<&'static str>,
}

impl From<TokenResponse> for TokenResponseView {
    fn from(response: TokenResponse) -> Self {
        let TokenResponse {
            access_token,
            token_type,
            expires_in,
            refresh_token,
            id_token,
            scope,
            issued_token_type,
        } = response;
        Self { access_token, token_type, expires_in, refresh_token, id_token, scope, issued_token_type }
    }
}

/// Response to a device authorization request (RFC 8628 section 3.2).
#[derive(Serialize, ToSchema)]
#[schema(as = DeviceAuthorizationResponse)]
pub(super) struct DeviceAuthorizationView {
    /// Code that the device requests tokens with.
    device_code: String,
    /// Code that the user enters.
    user_code: String,
    /// URI of the page on which the user enters the code.
    #[schema(format = "uri")]
    verification_uri: String,
    /// Verification URI that includes the user code.
    #[schema(format = "uri")]
    verification_uri_complete: String,
    /// Lifetime of the codes, in seconds.
    expires_in: u64,
    /// Minimum interval between two token requests of the device, in seconds.
    interval: u64,
}

impl From<DeviceAuthorization> for DeviceAuthorizationView {
    fn from(authorization: DeviceAuthorization) -> Self {
        let DeviceAuthorization {
            device_code,
            user_code,
            verification_uri,
            verification_uri_complete,
            expires_in,
            interval,
        } = authorization;
        Self { device_code, user_code, verification_uri, verification_uri_complete, expires_in, interval }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use hexabase_auth::{Auth, AuthConfig};
    use hexabase_core::{Platform, conformance};
    use serde_json::Value;

    use super::*;

    fn names(object: &Value) -> BTreeSet<String> {
        object.as_object().unwrap().keys().cloned().collect()
    }

    #[tokio::test]
    async fn the_discovery_documents_have_the_described_members() {
        let platform = Platform::builder("https://hexabase.example")
            .with_plans(conformance::billing_provider::plans())
            .build()
            .unwrap();
        let auth = Auth::new(platform, Vec::new(), AuthConfig::default()).await.unwrap();
        let described = serde_json::to_value(<ProviderMetadata as utoipa::PartialSchema>::schema()).unwrap();
        assert_eq!(names(&auth.issuer().discovery()), names(&described["properties"]));

        let described = serde_json::to_value(<JsonWebKey as utoipa::PartialSchema>::schema()).unwrap();
        let keys = auth.keys().jwks().await;
        assert_eq!(names(&keys), BTreeSet::from(["keys".to_owned()]));
        for key in keys["keys"].as_array().unwrap() {
            let undescribed: Vec<_> =
                names(key).difference(&names(&described["properties"])).cloned().collect();
            assert!(undescribed.is_empty(), "{undescribed:?}");
        }
    }
}
