//! Location and signature header of a provider's webhooks.

/// Location of a provider's webhooks, and the header that signs them.
///
/// ```
/// use hexabase_core::billing::WebhookEndpoint;
///
/// const PAYMENTS: WebhookEndpoint = WebhookEndpoint::from_static("/webhooks/payments", "payments-signature");
/// assert_eq!(PAYMENTS.path(), "/webhooks/payments");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WebhookEndpoint {
    path: &'static str,
    signature_header: &'static str,
}

impl WebhookEndpoint {
    /// Beginning of the path of every webhook. No other route of the API begins with it.
    pub const PREFIX: &str = "/webhooks/";

    /// Creates an endpoint from its path, such as `/webhooks/stripe`, and the name of a header in lower case.
    ///
    /// The API takes the header `authorization` for the credential of a caller, so a signature cannot be in it.
    ///
    /// # Panics
    /// If the path is not [`Self::PREFIX`] with a name of lower-case letters, digits and hyphens, or if the header is not
    /// such a name. In a constant this is an error of the compiler.
    #[must_use]
    pub const fn from_static(path: &'static str, signature_header: &'static str) -> Self {
        let prefix = Self::PREFIX.as_bytes();
        assert!(path.len() > prefix.len(), "the path of webhooks must be /webhooks/ with a name");
        let mut index = 0;
        while index < prefix.len() {
            assert!(
                path.as_bytes()[index] == prefix[index],
                "the path of webhooks must begin with /webhooks/"
            );
            index += 1;
        }
        assert!(is_name(path.as_bytes(), prefix.len()), "the name in the path of webhooks must be [a-z0-9-]");
        assert!(
            is_name(signature_header.as_bytes(), 0),
            "the signature header of webhooks must be [a-z0-9-]"
        );
        Self { path, signature_header }
    }

    /// Path that the provider sends webhooks to, below the public URL of the API.
    #[must_use]
    pub const fn path(&self) -> &'static str {
        self.path
    }

    /// Name of the header with the signature, in lower case.
    #[must_use]
    pub const fn signature_header(&self) -> &'static str {
        self.signature_header
    }
}

/// `true` if the bytes from an index on are one or more lower-case letters, digits and hyphens.
const fn is_name(bytes: &[u8], from: usize) -> bool {
    let mut index = from;
    while index < bytes.len() {
        if !matches!(bytes[index], b'a'..=b'z' | b'0'..=b'9' | b'-') {
            return false;
        }
        index += 1;
    }
    index > from
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_has_a_path_of_its_own_below_the_prefix() {
        let endpoint = WebhookEndpoint::from_static("/webhooks/pay-2", "x-signature");
        assert_eq!((endpoint.path(), endpoint.signature_header()), ("/webhooks/pay-2", "x-signature"));
        for (path, header) in [
            ("/api/v1/plans", "x-signature"),
            ("/webhooks/", "x-signature"),
            ("/webhooks/{name}", "x-signature"),
            ("/webhooks/a/b", "x-signature"),
            ("/webhooks/pay", "X-Signature"),
            ("/webhooks/pay", ""),
        ] {
            let created = std::panic::catch_unwind(|| WebhookEndpoint::from_static(path, header));
            assert!(created.is_err(), "{path} {header}");
        }
    }
}
