//! Discovery document of the OpenID Connect provider.

use serde_json::{Value, json};

use super::OidcIssuer;
use super::SCOPES;

impl OidcIssuer<'_> {
    /// Returns the provider metadata for clients (OpenID Connect Discovery 1.0 section 3, RFC 8414 section 2).
    #[must_use]
    pub fn discovery(&self) -> Value {
        let issuer = &self.0.platform.config().issuer.url;
        let endpoint = |path: &str| format!("{issuer}{path}");
        let auth_methods = ["none", "client_secret_basic", "client_secret_post", "private_key_jwt"];
        let signing_algorithms = ["ES256", "ES384", "RS256", "PS256", "EdDSA"];
        json!({
            "issuer": issuer,
            "authorization_endpoint": endpoint("/oauth2/authorize"),
            "token_endpoint": endpoint("/oauth2/token"),
            "device_authorization_endpoint": endpoint("/oauth2/device_authorization"),
            "userinfo_endpoint": endpoint("/oauth2/userinfo"),
            "revocation_endpoint": endpoint("/oauth2/revoke"),
            "introspection_endpoint": endpoint("/oauth2/introspect"),
            "end_session_endpoint": endpoint("/oauth2/logout"),
            "jwks_uri": endpoint("/.well-known/jwks.json"),
            "scopes_supported": SCOPES,
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported":
                ["authorization_code", "refresh_token", super::device::GRANT_TYPE, super::exchange::GRANT_TYPE],
            "code_challenge_methods_supported": ["S256"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256", "RS256"],
            "token_endpoint_auth_methods_supported": auth_methods,
            "token_endpoint_auth_signing_alg_values_supported": signing_algorithms,
            "revocation_endpoint_auth_methods_supported": auth_methods,
            "revocation_endpoint_auth_signing_alg_values_supported": signing_algorithms,
            "introspection_endpoint_auth_methods_supported": &auth_methods[1..],
            "introspection_endpoint_auth_signing_alg_values_supported": signing_algorithms,
            "authorization_response_iss_parameter_supported": true,
            "prompt_values_supported": ["none", "login", "consent", "select_account"],
            "claim_types_supported": ["normal"],
            "claims_supported": [
                "iss", "sub", "aud", "iat", "exp", "auth_time", "nonce", "jti", "at_hash", "groups", "email",
                "email_verified", "name", "org",
            ],
            "claims_parameter_supported": false,
            "request_parameter_supported": false,
            "request_uri_parameter_supported": false,
        })
    }
}
