//! Plans as last read from the store. Every process reads them again after a few seconds, so a change by an operator
//! applies in all processes soon; a commit that begins to use a plan checks that the plans have not changed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use super::PlatformInner;
use crate::clock::until;
use crate::error::Result;
use crate::model::{Plan, StoredPlans};
use crate::plans::{CurrentPlans, PlanCatalog, merge};

/// Time after which the plans are read again.
const PLANS_TTL: Duration = Duration::from_secs(5);

/// Plans of the configuration, and the current ones.
#[derive(Debug)]
pub(crate) struct PlanCache {
    configured: Vec<Plan>,
    current: CurrentPlans,
    read_at: Mutex<Option<Timestamp>>,
}

impl PlanCache {
    pub(super) const fn new(configured: Vec<Plan>, current: CurrentPlans) -> Self {
        Self { configured, current, read_at: Mutex::new(None) }
    }

    /// Plans of the configuration.
    pub(super) fn configured(&self) -> &[Plan] {
        &self.configured
    }

    /// Plans as last read.
    pub(super) fn latest(&self) -> Arc<PlanCatalog> {
        self.current.get()
    }

    /// Has the plans read again before their next use.
    pub(super) fn expire(&self) {
        *self.read_at() = None;
    }

    fn is_fresh(&self, now: Timestamp) -> bool {
        self.read_at().is_some_and(|at| at <= now && until(at, now) < PLANS_TTL)
    }

    fn update(&self, stored: &StoredPlans, now: Timestamp) -> Arc<PlanCatalog> {
        // A read that took longer than others must not bring back older plans, so updates follow one another.
        let mut read_at = self.read_at();
        if stored.version > self.current.get().version() {
            if !stored.unknown.is_empty() {
                let unknown = stored.unknown.join(", ");
                tracing::error!(version = %stored.version, unknown, "stored plans are of a newer release; their unknown contents are ignored");
            }
            match self.catalog_of(stored) {
                Ok(catalog) => self.current.set(Arc::new(catalog.at(stored.version))),
                // Commits that begin to use a plan fail, because their version of the plans is not the stored one.
                Err(error) => {
                    tracing::error!(%error, version = %stored.version, "stored plans cannot be used; the last usable ones apply");
                }
            }
        }
        *read_at = Some(now);
        self.current.get()
    }

    fn catalog_of(&self, stored: &StoredPlans) -> Result<PlanCatalog> {
        PlanCatalog::new(merge(stored, &self.configured)).or_else(|error| {
            tracing::error!(%error, "plans of the configuration do not fit those of operators; they are ignored");
            PlanCatalog::new(stored.plans.clone())
        })
    }

    fn read_at(&self) -> MutexGuard<'_, Option<Timestamp>> {
        self.read_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PlatformInner {
    /// Returns the plans, at most [`PLANS_TTL`] old.
    ///
    /// # Errors
    /// `Unavailable`.
    pub(crate) async fn plans(&self) -> Result<Arc<PlanCatalog>> {
        match self.plan_cache.is_fresh(self.now()) {
            true => Ok(self.plan_cache.latest()),
            false => self.read_plans().await.map(|(catalog, _)| catalog),
        }
    }

    /// Reads the plans, and returns them with the stored ones.
    ///
    /// # Errors
    /// `Unavailable`.
    pub(super) async fn read_plans(&self) -> Result<(Arc<PlanCatalog>, StoredPlans)> {
        let now = self.now();
        let stored = self.store.read_plans().await?;
        Ok((self.plan_cache.update(&stored, now), stored))
    }
}
