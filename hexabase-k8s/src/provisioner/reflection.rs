//! What moves on the host, as it tells those who watch: it spares most looks at tenants of which nothing moved.
//!
//! Watched is which objects there are and in which version, not what is in them; and Secrets are not watched at all. A look
//! asks for the versions of a tenant's Secrets instead, which is the one request that remains.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::{StreamExt as _, pin_mut};
use hexabase_core::backoff;
use hexabase_core::provisioner::{ControlPlaneState, Observation};
use kube::Api;
use kube::Client;
use kube::core::{ApiResource, DynamicObject, PartialObjectMeta};
use kube::runtime::watcher::{self, Event, watcher};
use tokio::time::{Instant, sleep};

use crate::labels;
use crate::object::{Kind, ObjectKey};

/// After how long a tenant is looked at closely, whatever moved: inside of tenants nothing is watched.
const THOROUGH: Duration = Duration::from_secs(1_800);
/// How long to wait before watching anew what could not be watched, at first and at most.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Objects, each with its resource version.
pub(super) type Versions = BTreeMap<ObjectKey, String>;

/// The SHA-256 of what a tenant should be.
pub(super) type Digest = [u8; 32];

/// A state of a tenant's objects on the host, different after every change of any of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment(u64);

/// What is known of the tenants on a host.
#[derive(Debug)]
pub(super) struct Reflection {
    /// The kinds that are watched.
    kinds: Vec<Kind>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The kinds of which everything is known.
    complete: BTreeSet<Kind>,
    /// The tenants, by the name of their namespace.
    tenants: HashMap<String, Tenant>,
    /// How often anything has moved.
    moves: u64,
}

#[derive(Debug)]
struct Tenant {
    versions: Versions,
    moment: Moment,
    observed: Option<Observed>,
    compared: Option<Compared>,
}

/// What was observed at a moment, or after it.
#[derive(Debug)]
struct Observed {
    moment: Moment,
    at: Instant,
    observation: Observation,
}

/// When nothing differed.
#[derive(Debug)]
struct Compared {
    moment: Moment,
    at: Instant,
    desired: Digest,
    secrets: Versions,
}

impl State {
    fn put(&mut self, key: ObjectKey, version: String) {
        let tenants = &mut self.tenants;
        let tenant = tenants.entry(tenant_of(&key).to_owned()).or_insert_with(|| Tenant {
            versions: Versions::new(),
            moment: Moment(0),
            observed: None,
            compared: None,
        });
        if tenant.versions.get(&key) != Some(&version) {
            tenant.versions.insert(key, version);
            self.moves += 1;
            tenant.moment = Moment(self.moves);
        }
    }

    fn take(&mut self, key: &ObjectKey) {
        let name = tenant_of(key);
        let Some(tenant) = self.tenants.get_mut(name) else { return };
        if tenant.versions.remove(key).is_none() {
            return;
        }
        self.moves += 1;
        tenant.moment = Moment(self.moves);
        if tenant.versions.is_empty() {
            self.tenants.remove(name);
        }
    }

    /// Takes in that these are all objects of a kind.
    fn replace(&mut self, kind: Kind, all: Versions) {
        let known = self.tenants.values().flat_map(|tenant| tenant.versions.keys());
        let gone: Vec<_> = known.filter(|key| key.kind == kind && !all.contains_key(key)).cloned().collect();
        for key in gone {
            self.take(&key);
        }
        for (key, version) in all {
            self.put(key, version);
        }
        self.complete.insert(kind);
    }
}

/// A tenant's namespace is called like the tenant.
fn tenant_of(key: &ObjectKey) -> &str {
    if key.kind == Kind::NAMESPACE { &key.name } else { &key.namespace }
}

impl Reflection {
    /// Nothing is known yet of these kinds.
    pub(super) fn of(kinds: Vec<Kind>) -> Self {
        Self { kinds, state: Mutex::default() }
    }

    /// The kinds to follow.
    pub(super) fn kinds(&self) -> impl Iterator<Item = Kind> {
        self.kinds.iter().copied()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How the objects of a tenant are now; nothing while not everything is watched. What is asked of the host afterwards
    /// is at least as new.
    pub(super) fn moment(&self, tenant: &str) -> Option<Moment> {
        let state = self.lock();
        let complete = self.kinds.iter().all(|kind| state.complete.contains(kind));
        state.tenants.get(tenant).filter(|_| complete).map(|tenant| tenant.moment)
    }

    /// Notes what was observed of a tenant at a moment or after it.
    pub(super) fn observed(&self, tenant: &str, moment: Option<Moment>, observation: &Observation) {
        if let (Some(moment), Some(tenant)) = (moment, self.lock().tenants.get_mut(tenant)) {
            tenant.observed = Some(Observed { moment, at: Instant::now(), observation: observation.clone() });
        }
    }

    /// What was observed of a tenant no longer than this ago, if it was on its way up and nothing has moved since.
    pub(super) fn starting(&self, tenant: &str, ago: Duration) -> Option<Observation> {
        let now = self.moment(tenant)?;
        let state = self.lock();
        let observed = state.tenants.get(tenant)?.observed.as_ref()?;
        let on_its_way = matches!(observed.observation.control_plane, ControlPlaneState::Starting { .. });
        let holds = on_its_way && observed.moment == now && observed.at.elapsed() < ago;
        holds.then(|| observed.observation.clone())
    }

    /// Notes that at a moment or after it a tenant was all it should be, with Secrets in these versions.
    pub(super) fn compared(&self, tenant: &str, moment: Moment, desired: Digest, secrets: Versions) {
        if let Some(tenant) = self.lock().tenants.get_mut(tenant) {
            tenant.compared = Some(Compared { moment, at: Instant::now(), desired, secrets });
        }
    }

    /// What was observed of a tenant, and the versions of its Secrets, if it was all it should be and has not moved since.
    pub(super) fn unchanged(&self, tenant: &str, desired: &Digest) -> Option<(Observation, Versions)> {
        let now = self.moment(tenant)?;
        let state = self.lock();
        let tenant = state.tenants.get(tenant)?;
        let observed = tenant.observed.as_ref().filter(|observed| observed.moment == now)?;
        let compared = tenant.compared.as_ref().filter(|compared| {
            compared.moment == now && compared.desired == *desired && compared.at.elapsed() < THOROUGH
        })?;
        Some((observed.observation.clone(), compared.secrets.clone()))
    }

    /// Watches the objects of a kind. Comes to no end.
    pub(super) async fn follow(&self, kind: Kind, host: &Client) {
        let mut failures = 0;
        loop {
            let failed = self.follow_until_it_fails(kind, host, &mut failures).await;
            self.lock().complete.remove(&kind);
            failures += 1;
            if failures == 1 {
                tracing::warn!(error = %failed, kind = kind.kind, "the host cannot be watched; looks ask for everything");
            }
            sleep(backoff::delay(failures, RETRY.0, RETRY.1, 0)).await;
        }
    }

    async fn follow_until_it_fails(&self, kind: Kind, host: &Client, failures: &mut u32) -> watcher::Error {
        let resource = ApiResource {
            group: kind.group.to_owned(),
            version: kind.version.to_owned(),
            api_version: kind.api_version(),
            kind: kind.kind.to_owned(),
            plural: kind.plural.to_owned(),
        };
        let objects: Api<PartialObjectMeta<DynamicObject>> = Api::all_with(host.clone(), &resource);
        let events = watcher(objects, watcher::Config::default().labels(labels::WORKSPACE));
        pin_mut!(events);
        let mut all = Versions::new();
        loop {
            match events.next().await {
                Some(Ok(Event::Init)) => all.clear(),
                Some(Ok(Event::InitApply(object))) => all.extend([versioned(kind, object)]),
                Some(Ok(Event::InitDone)) => {
                    *failures = 0;
                    self.lock().replace(kind, std::mem::take(&mut all));
                }
                Some(Ok(Event::Apply(object))) => {
                    let (key, version) = versioned(kind, object);
                    self.lock().put(key, version);
                }
                Some(Ok(Event::Delete(object))) => self.lock().take(&versioned(kind, object).0),
                Some(Err(error)) => return error,
                None => return watcher::Error::NoResourceVersion,
            }
        }
    }
}

fn versioned(kind: Kind, object: PartialObjectMeta<DynamicObject>) -> (ObjectKey, String) {
    let metadata = object.metadata;
    let key = ObjectKey {
        kind,
        namespace: metadata.namespace.unwrap_or_default(),
        name: metadata.name.unwrap_or_default(),
    };
    (key, metadata.resource_version.unwrap_or_default())
}
