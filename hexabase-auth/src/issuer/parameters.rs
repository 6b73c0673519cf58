//! Parameters of OAuth 2.0 requests.

use super::error::OAuthError;

/// Parameters of a request, from a query or a form. A parameter without a value is treated as omitted (RFC 6749
/// section 3.1).
#[derive(Clone, Default)]
pub struct Parameters(Vec<(String, String)>);

impl std::fmt::Debug for Parameters {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Values include codes, verifiers and secrets, so only the names are printed.
        out.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

impl Parameters {
    /// Creates parameters from decoded pairs.
    pub fn new(pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(pairs.into_iter().filter(|(_, value)| !value.is_empty()).collect())
    }

    /// Rejects repeated parameters (RFC 6749 section 3.1).
    pub(super) fn reject_duplicates(&self) -> Result<(), OAuthError> {
        let names: std::collections::BTreeSet<&str> = self.0.iter().map(|(name, _)| name.as_str()).collect();
        match names.len() == self.0.len() {
            true => Ok(()),
            false => Err(OAuthError::invalid_request("a parameter is repeated")),
        }
    }

    /// Returns the value of a parameter.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// Returns the value of a required parameter.
    pub(super) fn require(&self, name: &str) -> Result<&str, OAuthError> {
        self.get(name).ok_or_else(|| OAuthError::invalid_request(format!("{name} is required")))
    }
}
