//! What moves on the host, as it tells those who watch: it spares most looks at tenants of which nothing moved.
//!
//! Watched is which objects there are and in which version, not what is in them; and Secrets are not watched at all. A look
//! asks for the versions of a tenant's Secrets instead, which is the one request that remains.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::{StreamExt as _, pin_mut};
use hexabase_core::backoff;
use hexabase_core::desired::TenantTarget;
use hexabase_core::provisioner::{Moved, Observation};
use kube::Api;
use kube::Client;
use kube::core::{ApiResource, DynamicObject, PartialObjectMeta};
use kube::runtime::watcher::{self, Event, watcher};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use crate::labels;
use crate::object::{Kind, ObjectKey};

/// After how long a tenant is looked at closely, whatever moved: inside of tenants nothing is watched.
const THOROUGH: Duration = Duration::from_secs(1_800);
/// How long to wait before watching anew what could not be watched, at first and at most.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// The kinds that show how far a tenant has come: whether its control plane is up, has an address, or came to harm.
const STEPS: [Kind; 3] = [Kind::NAMESPACE, Kind::STATEFUL_SET, Kind::SERVICE];

/// The kinds that nobody but Hexabase changes once they are there: the walls around a tenant, and whom it trusts.
const WALLS: [Kind; 5] =
    [Kind::NETWORK_POLICY, Kind::ROLE, Kind::ROLE_BINDING, Kind::LIMIT_RANGE, Kind::CONFIG_MAP];

/// Objects, each with its resource version.
pub(super) type Versions = BTreeMap<ObjectKey, String>;

/// The SHA-256 of what a tenant should be.
pub(super) type Digest = [u8; 32];

/// A state of a tenant's objects on the host, different after every change of any of them, and greater than those before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment(u64);

/// What is known of the tenants on a host.
#[derive(Debug)]
pub(super) struct Reflection {
    /// The kinds that are watched.
    kinds: Vec<Kind>,
    state: Mutex<State>,
    /// Rung when something had come when it was announced.
    came_late: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// The kinds of which everything is known.
    complete: BTreeSet<Kind>,
    /// The tenants, by the name of their namespace.
    tenants: HashMap<String, Tenant>,
    /// How often anything has moved.
    moves: u64,
    /// What to tell of at once.
    late: Vec<TenantTarget>,
}

#[derive(Debug)]
struct Tenant {
    versions: Versions,
    moment: Moment,
    /// The last moment at which something moved that shows how far it has come.
    step: Moment,
    /// The last moment at which an object went away.
    loss: Moment,
    /// The last moment at which one did, or a wall moved.
    harm: Moment,
    /// What to tell of once the next step is made, or it comes to harm, if that was announced.
    awaited: Option<Awaited>,
    observed: Option<Observed>,
    compared: Option<Compared>,
}

/// A tenant whose next step was announced.
#[derive(Debug)]
struct Awaited {
    target: TenantTarget,
    /// Whether it is up, so that the step is one back, and what harms it is worth a look. What is under way loses and gains
    /// objects all the time.
    is_up: bool,
}

/// What was observed at a moment, or after it.
#[derive(Debug)]
struct Observed {
    moment: Moment,
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

impl Tenant {
    /// Nothing is known of it.
    const NEW: Self = Self {
        versions: Versions::new(),
        moment: Moment(0),
        step: Moment(0),
        loss: Moment(0),
        harm: Moment(0),
        awaited: None,
        observed: None,
        compared: None,
    };

    /// Something of this kind has moved, or was lost. Answers what to tell of, if that was awaited.
    fn moves(&mut self, kind: Kind, moment: Moment, lost: bool) -> Option<TenantTarget> {
        self.moment = moment;
        if lost {
            self.loss = moment;
        }
        let is_step = STEPS.contains(&kind);
        if is_step {
            self.step = moment;
        }
        let is_harm = lost || WALLS.contains(&kind);
        if is_harm {
            self.harm = moment;
        }
        let counts = |awaited: &mut Awaited| is_step || (is_harm && awaited.is_up);
        self.awaited.take_if(counts).map(|awaited| awaited.target)
    }
}

/// What changes answer is what to tell of.
impl State {
    fn put(&mut self, key: ObjectKey, version: String) -> Option<TenantTarget> {
        let tenant = self.tenants.entry(tenant_of(&key).to_owned()).or_insert(Tenant::NEW);
        if tenant.versions.get(&key) == Some(&version) {
            return None;
        }
        let kind = key.kind;
        tenant.versions.insert(key, version);
        self.moves += 1;
        tenant.moves(kind, Moment(self.moves), false)
    }

    fn take(&mut self, key: &ObjectKey) -> Option<TenantTarget> {
        let name = tenant_of(key);
        let tenant = self.tenants.get_mut(name)?;
        tenant.versions.remove(key)?;
        self.moves += 1;
        let told = tenant.moves(key.kind, Moment(self.moves), true);
        if tenant.versions.is_empty() {
            self.tenants.remove(name);
        }
        told
    }

    /// Takes in that these are all objects of a kind.
    fn replace(&mut self, kind: Kind, all: Versions) -> Vec<TenantTarget> {
        let known = self.tenants.values().flat_map(|tenant| tenant.versions.keys());
        let gone: Vec<_> = known.filter(|key| key.kind == kind && !all.contains_key(key)).cloned().collect();
        self.complete.insert(kind);
        let gone: Vec<_> = gone.iter().filter_map(|key| self.take(key)).collect();
        let there = all.into_iter().filter_map(|(key, version)| self.put(key, version));
        gone.into_iter().chain(there).collect()
    }
}

/// A tenant's namespace is called like the tenant.
fn tenant_of(key: &ObjectKey) -> &str {
    if key.kind == Kind::NAMESPACE { &key.name } else { &key.namespace }
}

impl Reflection {
    /// Nothing is known yet of these kinds.
    pub(super) fn of(kinds: Vec<Kind>) -> Self {
        Self { kinds, state: Mutex::default(), came_late: Notify::new() }
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

    /// The moment that it is, for all tenants.
    pub(super) fn now(&self) -> Moment {
        Moment(self.lock().moves)
    }

    /// Whether it is known that a tenant is there, and that it has lost nothing since a moment.
    pub(super) fn is_whole_since(&self, tenant: &str, moment: Moment) -> bool {
        let known = self.moment(tenant).is_some();
        known && self.lock().tenants.get(tenant).is_some_and(|tenant| tenant.loss <= moment)
    }

    /// Notes what was observed of a tenant at a moment or after it.
    pub(super) fn observed(&self, tenant: &str, moment: Option<Moment>, observation: &Observation) {
        if let (Some(moment), Some(tenant)) = (moment, self.lock().tenants.get_mut(tenant)) {
            tenant.observed = Some(Observed { moment, observation: observation.clone() });
        }
    }

    /// Sees to it that whoever watches is told of the next step of a tenant that was observed at a moment or after it, and if
    /// it is up of what harms it, at once where that has come in the meantime. Answers whether that is so: it is not when
    /// one that is on its way has got further in the meantime, and where nobody watches.
    pub(super) fn announce(&self, target: &TenantTarget, moment: Option<Moment>, is_up: bool) -> bool {
        let mut state = self.lock();
        let (Some(moment), Some(tenant)) = (moment, state.tenants.get_mut(&target.name)) else {
            return false;
        };
        let still_to_come = tenant.step <= moment && (tenant.harm <= moment || !is_up);
        tenant.awaited = still_to_come.then(|| Awaited { target: target.clone(), is_up });
        if is_up && !still_to_come {
            state.late.push(target.clone());
            self.came_late.notify_one();
        }
        still_to_come || is_up
    }

    /// Tells of what had come when it was announced. Comes to no end.
    pub(super) async fn tell_late(&self, moved: &Moved<'_>) {
        loop {
            self.came_late.notified().await;
            let late = std::mem::take(&mut self.lock().late);
            late.iter().for_each(moved);
        }
    }

    /// Whether a tenant was not up, and has made no step since.
    pub(super) fn is_starting(&self, tenant: &str) -> bool {
        let known = self.moment(tenant).is_some();
        let starts = |tenant: &Tenant| tenant.awaited.as_ref().is_some_and(|awaited| !awaited.is_up);
        known && self.lock().tenants.get(tenant).is_some_and(starts)
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

    /// Watches the objects of a kind, and tells of steps that were announced. Comes to no end.
    pub(super) async fn follow(&self, kind: Kind, host: &Client, moved: &Moved<'_>) {
        let mut failures = 0;
        loop {
            let failed = self.follow_until_it_fails(kind, host, moved, &mut failures).await;
            self.lock().complete.remove(&kind);
            failures += 1;
            if failures == 1 {
                tracing::warn!(error = %failed, kind = kind.kind, "the host cannot be watched; looks ask for everything");
            }
            sleep(backoff::delay(failures, RETRY.0, RETRY.1, 0)).await;
        }
    }

    async fn follow_until_it_fails(
        &self,
        kind: Kind,
        host: &Client,
        moved: &Moved<'_>,
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
        let events = watcher(objects, watcher::Config::default().labels(labels::WORKSPACE));
        pin_mut!(events);
        let mut all = Versions::new();
        loop {
            match events.next().await {
                Some(Ok(Event::Init)) => all.clear(),
                Some(Ok(Event::InitApply(object))) => all.extend([versioned(kind, object)]),
                Some(Ok(Event::InitDone)) => {
                    *failures = 0;
                    let told = self.lock().replace(kind, std::mem::take(&mut all));
                    told.iter().for_each(moved);
                }
                Some(Ok(Event::Apply(object))) => {
                    let (key, version) = versioned(kind, object);
                    let told = self.lock().put(key, version);
                    told.iter().for_each(moved);
                }
                Some(Ok(Event::Delete(object))) => {
                    let told = self.lock().take(&versioned(kind, object).0);
                    told.iter().for_each(moved);
                }
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
