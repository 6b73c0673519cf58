//! Addresses of the account of the user.

use super::urls;

urls! {
    /// Profile of the user: name, language and colours.
    ACCOUNT account() = "/console/me";
    /// API tokens of the user.
    TOKENS tokens() = "/console/me/tokens";
    /// New API token of the user.
    NEW_TOKEN new_token() = "/console/me/tokens/new";
    /// Sessions of the user, and clients with access.
    SESSIONS sessions() = "/console/me/sessions";
    /// Sign-in accounts and security events of the user.
    SECURITY security() = "/console/me/security";
}
