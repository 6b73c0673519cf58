use std::sync::Arc;

use super::FaultPlan;
use crate::error::Result;
use crate::store::{StoreDecorator, TenantStore};

/// Methods with faults: every commit, and the workers' operations on outbox, leases and sealed data.
const FAULTY: [&str; 11] = [
    "commit",
    "claim_outbox",
    "finish_outbox",
    "acquire_lease",
    "renew_lease",
    "release_lease",
    "list_leases",
    "list_due_workspaces",
    "prune",
    "list_sealed",
    "replace_sealed",
];

/// A store with fault injection for every commit and for the workers' operations. Other reads pass without faults.
#[derive(Debug)]
pub struct FaultyStore {
    inner: Arc<dyn TenantStore>,
    plan: FaultPlan,
}

impl FaultyStore {
    /// Wraps this store under a fault plan.
    #[must_use]
    pub fn new(inner: Arc<dyn TenantStore>, plan: FaultPlan) -> Self {
        Self { inner, plan }
    }
}

impl StoreDecorator for FaultyStore {
    fn inner(&self) -> &dyn TenantStore {
        &*self.inner
    }

    async fn around<T: Send + 'static>(
        &self,
        method: &'static str,
        call: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        if FAULTY.contains(&method) { self.plan.pass(call).await } else { call.await }
    }
}

#[cfg(test)]
mod tests {
    use super::FAULTY;
    use crate::store::{
        AccessStore, AlertStore, BillingStore, Commit, CredentialStore, EventStore, HostStore, LeaseStore,
        MemberStore, OrganizationStore, OutboxStore, PlanStore, SealedStore, SearchStore, UsageStore,
        UserStore, WorkStore, WorkspaceStore,
    };

    #[test]
    fn every_method_with_faults_exists() {
        let methods = [
            <dyn AccessStore>::METHODS,
            <dyn AlertStore>::METHODS,
            <dyn BillingStore>::METHODS,
            <dyn Commit>::METHODS,
            <dyn CredentialStore>::METHODS,
            <dyn EventStore>::METHODS,
            <dyn HostStore>::METHODS,
            <dyn LeaseStore>::METHODS,
            <dyn MemberStore>::METHODS,
            <dyn OrganizationStore>::METHODS,
            <dyn OutboxStore>::METHODS,
            <dyn PlanStore>::METHODS,
            <dyn SealedStore>::METHODS,
            <dyn SearchStore>::METHODS,
            <dyn UsageStore>::METHODS,
            <dyn UserStore>::METHODS,
            <dyn WorkStore>::METHODS,
            <dyn WorkspaceStore>::METHODS,
        ];
        let methods = methods.concat();
        for method in FAULTY {
            assert!(methods.contains(&method), "no part of the store has the method {method}");
        }
    }
}
