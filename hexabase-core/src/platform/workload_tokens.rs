use serde_json::json;

use super::invitations::require_not_deleting;
use super::{Caller, ServiceAccounts};
use crate::access::Credential;
use crate::changeset::Changeset;
use crate::error::{Error, Result};
use crate::page::PageRequest;

/// Maximum length of the subject of a workload in the audit log, in characters.
const MAX_SUBJECT_LENGTH: usize = 255;

/// Program, such as a CI job, for which a trusted issuer vouched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workload {
    /// Name of the trust of this installation that admits it.
    pub trust: String,
    /// Subject of its token (`sub`); `None` if the token has none.
    pub subject: Option<String>,
}

impl ServiceAccounts<'_> {
    /// Records in the audit log of the organization that a workload receives a token for the API. The caller is the service
    /// account, with the credential that the token will be.
    ///
    /// # Errors
    /// - `NotFound` if the caller is no service account.
    /// - `Conflict` with code `organization_deleting`.
    /// - `RateLimited` if the organization has used up its requests.
    pub async fn record_workload_token(&self, caller: &Caller, workload: &Workload) -> Result<()> {
        let Credential::Workload { scopes, expires_at } = &caller.principal.credential else {
            return Err(Error::not_found("workload"));
        };
        let id = caller.principal.user_id;
        // A service account belongs to one organization.
        let found = self.0.store.list_organizations(id, &PageRequest::largest()).await?.items;
        for (organization, member) in found {
            if self.0.store.find_service_account(organization.id, id).await?.is_none() {
                continue;
            }
            self.0.require_member(caller, Some(member)).await?;
            require_not_deleting(&organization)?;
            let subject = workload.subject.as_ref();
            let subject: Option<String> = subject.map(|text| text.chars().take(MAX_SUBJECT_LENGTH).collect());
            let issued = json!({
                "trust": workload.trust, "subject": subject, "scopes": scopes, "expires_at": expires_at,
            });
            let resource = format!("{}/{id}", organization.id);
            let action = "service_account.exchange_token";
            let entry = self.0.audit(caller, organization.id, action, resource, (), issued);
            return self.0.commit(Changeset::new().audit(entry)).await;
        }
        Err(Error::not_found("service account"))
    }
}
