//! Scopes and lifetimes of API tokens in words.

use std::time::Duration;

use hexabase_core::clock::after;
use hexabase_core::model::Scope;
use jiff::Timestamp;

use crate::components::Tone;
use crate::language::Texts;

/// Time before its expiry from which on a token is marked.
const EXPIRES_SOON: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Areas of scopes with their scopes, in the order of forms.
pub(super) const AREAS: &[(Area, &[Scope])] = &[
    (Area::Workspaces, &[Scope::WorkspacesRead, Scope::WorkspacesWrite]),
    (Area::Clusters, &[Scope::ClusterAccess]),
    (Area::Projects, &[Scope::ProjectsRead, Scope::ProjectsWrite]),
    (Area::Access, &[Scope::AccessRead, Scope::AccessWrite]),
    (Area::Organizations, &[Scope::OrganizationsRead, Scope::OrganizationsWrite]),
    (Area::Billing, &[Scope::BillingRead, Scope::BillingWrite]),
    (Area::Everything, &[Scope::All]),
];

/// Area of scopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Area {
    Workspaces,
    Clusters,
    Projects,
    Access,
    Organizations,
    Billing,
    Everything,
}

impl Area {
    /// Returns the name of the area, and its id in a page.
    pub(super) fn words(self, texts: Texts) -> (String, &'static str) {
        match self {
            Self::Workspaces => (texts.text("token-area-workspaces"), "scopes-workspaces"),
            Self::Clusters => (texts.text("token-area-clusters"), "scopes-clusters"),
            Self::Projects => (texts.text("token-area-projects"), "scopes-projects"),
            Self::Access => (texts.text("token-area-access"), "scopes-access"),
            Self::Organizations => (texts.text("token-area-organizations"), "scopes-organizations"),
            Self::Billing => (texts.text("token-area-billing"), "scopes-billing"),
            Self::Everything => (texts.text("token-area-everything"), "scopes-everything"),
        }
    }
}

/// Returns what a scope permits.
pub(super) fn scope_text(texts: Texts, scope: Scope) -> String {
    match scope {
        Scope::All => texts.text("token-scope-all"),
        Scope::OrganizationsRead => texts.text("token-scope-organizations-read"),
        Scope::OrganizationsWrite => texts.text("token-scope-organizations-write"),
        Scope::BillingRead => texts.text("token-scope-billing-read"),
        Scope::BillingWrite => texts.text("token-scope-billing-write"),
        Scope::WorkspacesRead => texts.text("token-scope-workspaces-read"),
        Scope::WorkspacesWrite => texts.text("token-scope-workspaces-write"),
        Scope::ClusterAccess => texts.text("token-scope-clusters-access"),
        Scope::AccessRead => texts.text("token-scope-access-read"),
        Scope::AccessWrite => texts.text("token-scope-access-write"),
        Scope::ProjectsRead => texts.text("token-scope-projects-read"),
        Scope::ProjectsWrite => texts.text("token-scope-projects-write"),
    }
}

/// Validity of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Validity {
    /// The token has expired.
    Expired,
    /// The token expires within days.
    ExpiresSoon,
    /// The token expires later.
    Valid,
    /// The token does not expire.
    Unlimited,
}

impl Validity {
    /// Returns the validity of a token with this expiry at a time.
    pub(super) fn of(expires_at: Option<Timestamp>, now: Timestamp) -> Self {
        match expires_at {
            None => Self::Unlimited,
            Some(end) if end <= now => Self::Expired,
            Some(end) if end <= after(now, EXPIRES_SOON) => Self::ExpiresSoon,
            Some(_) => Self::Valid,
        }
    }

    /// Returns the text of the badge with its tone; `None` for a token that needs none.
    pub(super) fn badge(self, texts: Texts) -> Option<(Tone, String)> {
        match self {
            Self::Expired => Some((Tone::Bad, texts.text("token-expired"))),
            Self::ExpiresSoon => Some((Tone::Warning, texts.text("token-expires-soon"))),
            Self::Valid => None,
            Self::Unlimited => Some((Tone::Warning, texts.text("token-unlimited"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use hexabase_core::fixture::FIXTURE_TIME;

    use super::*;

    #[test]
    fn every_scope_is_in_one_area() {
        let mut scopes: Vec<Scope> = AREAS.iter().flat_map(|(_, scopes)| scopes.iter().copied()).collect();
        scopes.sort_unstable();
        assert_eq!(scopes, Scope::ALL);
    }

    #[test]
    fn a_token_is_marked_before_it_expires() {
        let validity = |expires_at| Validity::of(expires_at, FIXTURE_TIME);
        let seconds = |seconds| Some(after(FIXTURE_TIME, Duration::from_secs(seconds)));
        assert_eq!(validity(None), Validity::Unlimited);
        assert_eq!(validity(Some(FIXTURE_TIME)), Validity::Expired);
        assert_eq!(validity(seconds(1)), Validity::ExpiresSoon);
        assert_eq!(validity(seconds(7 * 86_400)), Validity::ExpiresSoon);
        assert_eq!(validity(seconds(7 * 86_400 + 1)), Validity::Valid);
    }
}
