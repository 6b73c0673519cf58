//! Metadata cache: names and resource versions of tenants' objects on a host, as the host watch reports them. It
//! replaces most full comparisons of unchanged tenants.
//!
//! Only the metadata of objects is watched, not their content, and Secrets are not watched at all. A reconcile lists
//! the resource versions of a tenant's Secrets instead, which is its only remaining request.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::{StreamExt as _, pin_mut};
use hexabase_core::backoff;
use hexabase_core::desired::TenantTarget;
use hexabase_core::provisioner::{Observation, OnChange};
use kube::Api;
use kube::Client;
use kube::core::{ApiResource, DynamicObject, PartialObjectMeta};
use kube::runtime::watcher::{self, Event, watcher};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use crate::labels::{self, Labels};
use crate::object::{Kind, ObjectKey};

/// Maximum time between full comparisons of a tenant, because objects inside tenants are not watched.
const FULL_RESYNC: Duration = Duration::from_secs(1_800);
/// First and maximum delay before a failed watch is retried.
const WATCH_RETRY_DELAYS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Kinds whose changes show progress of a tenant: its control plane is up, has an address, or is degraded.
const PROGRESS_KINDS: [Kind; 3] = [Kind::NAMESPACE, Kind::STATEFUL_SET, Kind::SERVICE];

/// Kinds of the isolation boundary and of trust settings, which only Hexabase changes once they exist.
const ISOLATION_KINDS: [Kind; 5] =
    [Kind::NETWORK_POLICY, Kind::ROLE, Kind::ROLE_BINDING, Kind::LIMIT_RANGE, Kind::CONFIG_MAP];

/// Resource versions of objects.
pub(in crate::provisioner) type Versions = BTreeMap<ObjectKey, String>;

/// SHA-256 of a desired state.
pub(in crate::provisioner) type Digest = [u8; 32];

/// Revision of a tenant's objects on the host. Every change of an object has a new, greater revision.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::provisioner) struct Revision(u64);

/// Metadata of the tenants' objects on a host.
#[derive(Debug)]
pub(in crate::provisioner) struct MetadataCache {
    /// Watched kinds.
    kinds: Vec<Kind>,
    labels: Labels,
    state: Mutex<State>,
    /// Signals a new entry in `State::overdue`.
    overdue_added: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// Kinds whose objects are completely known.
    complete: BTreeSet<Kind>,
    /// Kinds whose watch has failed and was not established again.
    failing: BTreeSet<Kind>,
    /// Tenants by the name of their namespace.
    tenants: HashMap<String, Tenant>,
    /// Number of changes of all objects; the newest revision.
    change_count: u64,
    /// Tenants whose change must be reported at once.
    overdue: Vec<TenantTarget>,
}

#[derive(Debug)]
struct Tenant {
    versions: Versions,
    revision: Revision,
    /// Revision of the last change of one of [`PROGRESS_KINDS`].
    progress_rev: Revision,
    /// Revision of the last deletion of an object.
    removal_rev: Revision,
    /// Revision of the last deletion of an object or change of one of [`ISOLATION_KINDS`].
    tamper_rev: Revision,
    /// Pending notification of the next progress or tampering.
    subscription: Option<ChangeSubscription>,
    observed: Option<Observed>,
    last_clean: Option<LastClean>,
}

/// Registration for a notification of a tenant's next change.
#[derive(Debug)]
struct ChangeSubscription {
    target: TenantTarget,
    /// `true` if the tenant was up, so that tampering is reported as well. Tenants that are starting or stopping
    /// constantly gain and lose objects.
    is_up: bool,
}

/// Observation that was made at a revision or later.
#[derive(Debug)]
struct Observed {
    revision: Revision,
    observation: Observation,
}

/// Last comparison without a difference.
#[derive(Debug)]
struct LastClean {
    revision: Revision,
    at: Instant,
    desired: Digest,
    secrets: Versions,
}

impl Tenant {
    /// Tenant without any known object.
    const NEW: Self = Self {
        versions: Versions::new(),
        revision: Revision(0),
        progress_rev: Revision(0),
        removal_rev: Revision(0),
        tamper_rev: Revision(0),
        subscription: None,
        observed: None,
        last_clean: None,
    };

    /// Records the change or deletion of an object. Returns the tenant to notify if a subscription matches.
    fn record_change(&mut self, kind: Kind, revision: Revision, removed: bool) -> Option<TenantTarget> {
        self.revision = revision;
        if removed {
            self.removal_rev = revision;
        }
        let is_progress = PROGRESS_KINDS.contains(&kind);
        if is_progress {
            self.progress_rev = revision;
        }
        let is_tampering = removed || ISOLATION_KINDS.contains(&kind);
        if is_tampering {
            self.tamper_rev = revision;
        }
        let is_relevant =
            |subscription: &mut ChangeSubscription| is_progress || (is_tampering && subscription.is_up);
        self.subscription.take_if(is_relevant).map(|subscription| subscription.target)
    }
}

/// The methods return the tenants to notify.
impl State {
    fn upsert(&mut self, key: ObjectKey, version: String) -> Option<TenantTarget> {
        let tenant = self.tenants.entry(tenant_name(&key).to_owned()).or_insert(Tenant::NEW);
        if tenant.versions.get(&key) == Some(&version) {
            return None;
        }
        let kind = key.kind;
        tenant.versions.insert(key, version);
        self.change_count += 1;
        tenant.record_change(kind, Revision(self.change_count), false)
    }

    fn remove(&mut self, key: &ObjectKey) -> Option<TenantTarget> {
        let name = tenant_name(key);
        let tenant = self.tenants.get_mut(name)?;
        tenant.versions.remove(key)?;
        self.change_count += 1;
        let subscribed = tenant.record_change(key.kind, Revision(self.change_count), true);
        if tenant.versions.is_empty() {
            self.tenants.remove(name);
        }
        subscribed
    }

    /// Replaces all objects of a kind.
    fn replace_all(&mut self, kind: Kind, all: Versions) -> Vec<TenantTarget> {
        let known = self.tenants.values().flat_map(|tenant| tenant.versions.keys());
        let removed: Vec<_> =
            known.filter(|key| key.kind == kind && !all.contains_key(key)).cloned().collect();
        self.complete.insert(kind);
        let removed: Vec<_> = removed.iter().filter_map(|key| self.remove(key)).collect();
        let existing = all.into_iter().filter_map(|(key, version)| self.upsert(key, version));
        removed.into_iter().chain(existing).collect()
    }
}

/// Name of the tenant that an object belongs to, which is the name of its namespace.
fn tenant_name(key: &ObjectKey) -> &str {
    if key.kind == Kind::NAMESPACE { &key.name } else { &key.namespace }
}

impl MetadataCache {
    /// Creates an empty cache for these kinds.
    pub(in crate::provisioner) fn new(kinds: Vec<Kind>, labels: Labels) -> Self {
        Self { kinds, labels, state: Mutex::default(), overdue_added: Notify::new() }
    }

    /// Watched kinds.
    pub(in crate::provisioner) fn kinds(&self) -> impl Iterator<Item = Kind> {
        self.kinds.iter().copied()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the current revision of a tenant, or `None` while a kind is not watched. Later reads from the host
    /// return at least this state.
    pub(in crate::provisioner) fn revision(&self, tenant: &str) -> Option<Revision> {
        let state = self.lock();
        let complete = self.kinds.iter().all(|kind| state.complete.contains(kind));
        state.tenants.get(tenant).filter(|_| complete).map(|tenant| tenant.revision)
    }

    /// `true` while the watch of a kind has failed and was not established again.
    pub(in crate::provisioner) fn is_failing(&self) -> bool {
        !self.lock().failing.is_empty()
    }

    /// Returns the newest revision of all tenants.
    pub(in crate::provisioner) fn current_revision(&self) -> Revision {
        Revision(self.lock().change_count)
    }

    /// `true` if the tenant is watched and none of its objects was deleted after `revision`.
    pub(in crate::provisioner) fn is_intact_since(&self, tenant: &str, revision: Revision) -> bool {
        let known = self.revision(tenant).is_some();
        known && self.lock().tenants.get(tenant).is_some_and(|tenant| tenant.removal_rev <= revision)
    }

    /// Records an observation of a tenant that was made at `revision` or later.
    pub(in crate::provisioner) fn record_observation(
        &self,
        tenant: &str,
        revision: Option<Revision>,
        observation: &Observation,
    ) {
        if let (Some(revision), Some(tenant)) = (revision, self.lock().tenants.get_mut(tenant)) {
            tenant.observed = Some(Observed { revision, observation: observation.clone() });
        }
    }

    /// Registers a notification for the tenant's next progress after `revision` and, once it is up, for tampering.
    /// Fires at once if that has already happened. Returns `false` for an unwatched tenant.
    pub(in crate::provisioner) fn subscribe(
        &self,
        target: &TenantTarget,
        revision: Option<Revision>,
        is_up: bool,
    ) -> bool {
        let mut state = self.lock();
        let (Some(revision), Some(tenant)) = (revision, state.tenants.get_mut(&target.name)) else {
            return false;
        };
        let is_pending = tenant.progress_rev <= revision && (tenant.tamper_rev <= revision || !is_up);
        tenant.subscription = is_pending.then(|| ChangeSubscription { target: target.clone(), is_up });
        if !is_pending {
            state.overdue.push(target.clone());
            self.overdue_added.notify_one();
        }
        true
    }

    /// Reports the changes that happened before their subscription. Never returns.
    pub(in crate::provisioner) async fn report_overdue(&self, on_change: &OnChange) {
        loop {
            self.overdue_added.notified().await;
            let overdue = std::mem::take(&mut self.lock().overdue);
            overdue.iter().for_each(on_change);
        }
    }

    /// `true` if the tenant was not up and has not progressed since.
    pub(in crate::provisioner) fn is_starting(&self, tenant: &str) -> bool {
        let known = self.revision(tenant).is_some();
        let starts =
            |tenant: &Tenant| tenant.subscription.as_ref().is_some_and(|subscription| !subscription.is_up);
        known && self.lock().tenants.get(tenant).is_some_and(starts)
    }

    /// Removes what the last comparison and observation of a tenant found.
    pub(in crate::provisioner) fn forget_comparison(&self, tenant: &str) {
        if let Some(tenant) = self.lock().tenants.get_mut(tenant) {
            (tenant.observed, tenant.last_clean) = (None, None);
        }
    }

    /// Records that a tenant matched its desired state at `revision` or later, with these versions of its Secrets.
    pub(in crate::provisioner) fn record_clean(
        &self,
        tenant: &str,
        revision: Revision,
        desired: Digest,
        secrets: Versions,
    ) {
        if let Some(tenant) = self.lock().tenants.get_mut(tenant) {
            tenant.last_clean = Some(LastClean { revision, at: Instant::now(), desired, secrets });
        }
    }

    /// Returns the observation of a tenant and the versions of its Secrets, if it matched its desired state and has not
    /// changed since.
    pub(in crate::provisioner) fn unchanged(
        &self,
        tenant: &str,
        desired: &Digest,
    ) -> Option<(Observation, Versions)> {
        let now = self.revision(tenant)?;
        let state = self.lock();
        let tenant = state.tenants.get(tenant)?;
        let observed = tenant.observed.as_ref().filter(|observed| observed.revision == now)?;
        let last_clean = tenant.last_clean.as_ref().filter(|last_clean| {
            last_clean.revision == now
                && last_clean.desired == *desired
                && last_clean.at.elapsed() < FULL_RESYNC
        })?;
        Some((observed.observation.clone(), last_clean.secrets.clone()))
    }

    /// Watches the objects of a kind and reports the changes with a subscription. Never returns.
    pub(in crate::provisioner) async fn watch_kind(&self, kind: Kind, host: &Client, on_change: &OnChange) {
        let mut failures = 0;
        loop {
            let error = self.watch_until_failure(kind, host, on_change, &mut failures).await;
            {
                let mut state = self.lock();
                state.complete.remove(&kind);
                state.failing.insert(kind);
            }
            failures += 1;
            if failures == 1 {
                tracing::warn!(%error, kind = kind.kind, "host watch failed; falling back to full listing");
            }
            sleep(backoff::delay(failures, WATCH_RETRY_DELAYS.0, WATCH_RETRY_DELAYS.1, 0)).await;
        }
    }

    async fn watch_until_failure(
        &self,
        kind: Kind,
        host: &Client,
        on_change: &OnChange,
        failures: &mut u32,
    ) -> watcher::Error {
        let resource = ApiResource {
            group: kind.group.to_owned(),
            version: kind.version.to_owned(),
            api_version: kind.api_version(),
            kind: kind.kind.to_owned(),
            plural: kind.plural.to_owned(),
        };
        let objects: Api<PartialObjectMeta<DynamicObject>> = Api::all_with(host.clone(), &resource);
        let selector = labels::own_objects(kind, self.labels.workspace());
        let events = watcher(objects, watcher::Config::default().labels(&selector));
        pin_mut!(events);
        let mut all = Versions::new();
        loop {
            match events.next().await {
                Some(Ok(Event::Init)) => all.clear(),
                Some(Ok(Event::InitApply(object))) => all.extend([key_and_version(kind, object)]),
                Some(Ok(Event::InitDone)) => {
                    *failures = 0;
                    let subscribed = {
                        let mut state = self.lock();
                        state.failing.remove(&kind);
                        state.replace_all(kind, std::mem::take(&mut all))
                    };
                    subscribed.iter().for_each(on_change);
                }
                Some(Ok(Event::Apply(object))) => {
                    let (key, version) = key_and_version(kind, object);
                    let subscribed = self.lock().upsert(key, version);
                    subscribed.iter().for_each(on_change);
                }
                Some(Ok(Event::Delete(object))) => {
                    let subscribed = self.lock().remove(&key_and_version(kind, object).0);
                    subscribed.iter().for_each(on_change);
                }
                Some(Err(error)) => return error,
                None => return watcher::Error::NoResourceVersion,
            }
        }
    }
}

fn key_and_version(kind: Kind, object: PartialObjectMeta<DynamicObject>) -> (ObjectKey, String) {
    let metadata = object.metadata;
    let key = ObjectKey {
        kind,
        namespace: metadata.namespace.unwrap_or_default(),
        name: metadata.name.unwrap_or_default(),
    };
    (key, metadata.resource_version.unwrap_or_default())
}

#[cfg(test)]
mod tests;
