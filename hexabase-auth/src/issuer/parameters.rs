use super::refusal::OAuthError;

/// The parameters of a request, as a query or a form has them. One without a value counts as left out (RFC 6749
/// section 3.1).
#[derive(Clone, Default)]
pub struct Parameters(Vec<(String, String)>);

impl std::fmt::Debug for Parameters {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Codes, verifiers, secrets: only the names are fit to be seen.
        out.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

impl Parameters {
    /// The parameters of decoded pairs.
    pub fn new(pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(pairs.into_iter().filter(|(_, value)| !value.is_empty()).collect())
    }

    /// Refuses parameters that are there more than once (RFC 6749 section 3.1).
    pub(super) fn require_single(&self) -> Result<(), OAuthError> {
        let names: std::collections::BTreeSet<&str> = self.0.iter().map(|(name, _)| name.as_str()).collect();
        match names.len() == self.0.len() {
            true => Ok(()),
            false => Err(OAuthError::invalid_request("a parameter is there more than once")),
        }
    }

    /// A parameter.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// A parameter that must be there.
    pub(super) fn need(&self, name: &str) -> Result<&str, OAuthError> {
        self.get(name).ok_or_else(|| OAuthError::invalid_request(format!("{name} is missing")))
    }
}
