//! Metadata that an issuer publishes: its discovery document (OpenID Connect Discovery 1.0 section 3) and its keys. Only
//! the members in use are read; others may be missing or of any type.

use http::header::ACCEPT;
use serde_json::{Map, Value};
use url::Url;

use super::http::{HttpClient, RequestError};
use super::key_set::{KeySet, present};

/// Endpoints and keys of an issuer.
#[derive(Debug, Clone)]
pub(super) struct IssuerMetadata {
    /// Endpoints of the issuer.
    pub(super) endpoints: Endpoints,
    /// Keys of the issuer.
    pub(super) keys: KeySet,
}

/// Endpoints in a discovery document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoints {
    /// `authorization_endpoint`; `None` for an issuer without sign-in.
    pub(super) authorization: Option<Url>,
    /// `token_endpoint`; `None` for an issuer without sign-in.
    pub(super) token: Option<Url>,
    /// `userinfo_endpoint`; `None` if there is none.
    pub(super) userinfo: Option<Url>,
    /// `jwks_uri`.
    pub(super) jwks: Url,
    /// `true` if clients send their secret in the header, which is the default.
    pub(super) accepts_basic_authentication: bool,
    /// `true` if the issuer sends `iss` in authorization responses (RFC 9207 section 3).
    pub(super) sends_issuer: bool,
}

/// Reason for which the metadata of an issuer is not available.
#[derive(Debug, thiserror::Error)]
pub(super) enum MetadataError {
    #[error("the issuer did not respond")]
    NoResponse(#[from] RequestError),
    #[error("the issuer responded to {0} with status {1}")]
    Status(Url, http::StatusCode),
    #[error("{0}")]
    Invalid(String),
}

impl IssuerMetadata {
    /// Fetches the metadata of an issuer.
    pub(super) async fn fetch(issuer: &str, http: &HttpClient) -> Result<Self, MetadataError> {
        let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let url = Url::parse(&url).map_err(|_| invalid("the issuer is not a URL"))?;
        let endpoints = Endpoints::parse(issuer, &get(&url, http).await?)?;
        let keys = KeySet::parse(&get(&endpoints.jwks, http).await?)
            .map_err(|error| invalid(format!("the key set is not valid: {error}")))?;
        Ok(Self { endpoints, keys })
    }
}

impl Endpoints {
    /// Parses the discovery document of an issuer.
    pub(super) fn parse(issuer: &str, body: &[u8]) -> Result<Self, MetadataError> {
        let document: Map<String, Value> = serde_json::from_slice(body)
            .map_err(|error| invalid(format!("the discovery document is not valid: {error}")))?;
        let named = document.get("issuer").and_then(Value::as_str).unwrap_or_default();
        if named != issuer {
            return Err(invalid(format!("the discovery document names the issuer {named:?}")));
        }
        let endpoint = |name: &str| match present(&document, name) {
            None => Ok(None),
            Some(value) => {
                let url = value.as_str().and_then(|text| Url::parse(text).ok());
                let url = url.ok_or_else(|| invalid(format!("{name} is not a URL")))?;
                // Requests have secrets in them, and responses are trusted.
                match url.scheme() == "https" || !issuer.starts_with("https:") {
                    true => Ok(Some(url)),
                    false => Err(invalid(format!("{name} is not an https URL"))),
                }
            }
        };
        let methods = document.get("token_endpoint_auth_methods_supported").and_then(Value::as_array);
        let sends_issuer = document.get("authorization_response_iss_parameter_supported");
        Ok(Self {
            authorization: endpoint("authorization_endpoint")?,
            token: endpoint("token_endpoint")?,
            // Without a usable userinfo endpoint, the claims of the ID token count.
            userinfo: endpoint("userinfo_endpoint").unwrap_or_default(),
            jwks: endpoint("jwks_uri")?.ok_or_else(|| invalid("jwks_uri is missing"))?,
            accepts_basic_authentication: methods
                .is_none_or(|methods| methods.iter().any(|method| method == "client_secret_basic")),
            sends_issuer: sends_issuer.is_some_and(|value| *value == true || value == "true"),
        })
    }
}

async fn get(url: &Url, http: &HttpClient) -> Result<Vec<u8>, MetadataError> {
    let request = http::Request::get(url.as_str())
        .header(ACCEPT, "application/json")
        .body(Vec::new())
        .map_err(|_| invalid(format!("{url} is not a valid address")))?;
    let response = http.send(request).await?;
    match response.status().is_success() {
        true => Ok(response.into_body()),
        false => Err(MetadataError::Status(url.clone(), response.status())),
    }
}

fn invalid(message: impl Into<String>) -> MetadataError {
    MetadataError::Invalid(message.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_https_issuer_has_https_endpoints() {
        let document = |endpoint: &str| {
            let secure = json!({
                "issuer": "https://id.example", "jwks_uri": "https://id.example/keys",
                "authorization_endpoint": "https://id.example/authorize",
                "token_endpoint": "https://id.example/token",
                "userinfo_endpoint": "https://id.example/me",
            });
            let mut document = secure;
            if !endpoint.is_empty() {
                document[endpoint] = json!("http://id.example/insecure");
            }
            Endpoints::parse("https://id.example", document.to_string().as_bytes())
        };
        assert!(document("").unwrap().userinfo.is_some());
        for endpoint in ["jwks_uri", "authorization_endpoint", "token_endpoint"] {
            let error = document(endpoint).unwrap_err().to_string();
            assert!(error.contains(endpoint) && error.contains("https"), "{error}");
        }
        assert_eq!(document("userinfo_endpoint").unwrap().userinfo, None);
    }
}
