use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use uuid::Uuid;

use super::demo::Demo;
use super::{AlertSource, FiringAlert, NewSilence, Silence, SilenceId, first_to_end, latest_by_rule};
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::id::{AlertRuleId, WorkspaceId};
use crate::metrics::MetricsSource;
use crate::model::Plan;
use crate::store::TenantStore;

/// In-memory [`AlertSource`] that returns the alerts it was given, and for demonstrations those of alert rules. Its
/// silences are lost when the process ends.
#[derive(Debug)]
pub struct MemoryAlerts {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    demo: Option<Demo>,
}

#[derive(Debug, Default)]
struct State {
    alerts: BTreeMap<(WorkspaceId, AlertRuleId), Timestamp>,
    silences: BTreeMap<SilenceId, (WorkspaceId, NewSilence)>,
    created: u128,
}

impl MemoryAlerts {
    /// Creates a source without alerts.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, state: Mutex::default(), demo: None }
    }

    /// Creates a source for demonstrations, which compares the alert rules of a workspace with these metrics when its
    /// alerts are listed. No alert is notified. A percentage is of the quota of these plans, as changed in the store.
    #[must_use]
    pub fn for_demonstration(
        store: Arc<dyn TenantStore>,
        metrics: Arc<dyn MetricsSource>,
        plans: Vec<Plan>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let demo = Demo { store, metrics, plans, clock: clock.clone() };
        Self { demo: Some(demo), ..Self::new(clock) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the alert of a rule fire from a time on.
    pub fn fire(&self, workspace: WorkspaceId, rule: AlertRuleId, starts_at: Timestamp) {
        self.lock().alerts.insert((workspace, rule), starts_at);
    }

    /// Ends the alert of a rule.
    pub fn resolve(&self, workspace: WorkspaceId, rule: AlertRuleId) {
        self.lock().alerts.remove(&(workspace, rule));
    }
}

impl State {
    /// Silences of a workspace that have not ended.
    fn silences_of(&self, workspace: WorkspaceId, now: Timestamp) -> impl Iterator<Item = Silence> + '_ {
        self.silences.iter().filter_map(move |(id, (owner, silence))| {
            let NewSilence { rule_id, created_by, comment, ends_at, .. } = silence.clone();
            let is_active = *owner == workspace && ends_at > now;
            is_active.then_some(Silence { id: *id, rule_id, created_by, comment, ends_at })
        })
    }
}

#[async_trait]
impl AlertSource for MemoryAlerts {
    async fn alerts(&self, workspace: WorkspaceId) -> Result<Vec<FiringAlert>> {
        let mut firing = match &self.demo {
            Some(demo) => demo.firing(workspace).await?,
            None => Vec::new(),
        };
        let (now, state) = (self.clock.now(), self.lock());
        let own = state.alerts.iter().filter(|((owner, _), _)| *owner == workspace);
        firing.extend(own.map(|((_, rule_id), starts_at)| FiringAlert {
            rule_id: *rule_id,
            starts_at: *starts_at,
            silenced_by: Vec::new(),
        }));
        for alert in &mut firing {
            let silences = state.silences_of(workspace, now);
            let own = silences.filter(|silence| silence.rule_id == alert.rule_id);
            alert.silenced_by = own.map(|silence| silence.id).collect();
        }
        Ok(latest_by_rule(firing))
    }

    async fn create_silence(&self, workspace: WorkspaceId, silence: &NewSilence) -> Result<SilenceId> {
        if silence.ends_at <= self.clock.now() {
            return Err(Error::invalid("ends_at", "must be in the future"));
        }
        let mut state = self.lock();
        state.created += 1;
        let id = SilenceId::from_uuid(Uuid::from_u128(state.created));
        state.silences.insert(id, (workspace, silence.clone()));
        Ok(id)
    }

    async fn find_silence(&self, workspace: WorkspaceId, id: SilenceId) -> Result<Option<Silence>> {
        let now = self.clock.now();
        Ok(self.lock().silences_of(workspace, now).find(|silence| silence.id == id))
    }

    async fn silences(&self, workspace: WorkspaceId) -> Result<Vec<Silence>> {
        let now = self.clock.now();
        Ok(first_to_end(self.lock().silences_of(workspace, now).collect()))
    }

    async fn delete_silence(&self, workspace: WorkspaceId, id: SilenceId) -> Result<()> {
        let now = self.clock.now();
        let mut state = self.lock();
        if !state.silences_of(workspace, now).any(|silence| silence.id == id) {
            return Err(Error::not_found("silence"));
        }
        state.silences.remove(&id);
        Ok(())
    }

    fn name(&self) -> &'static str {
        "memory"
    }
}
