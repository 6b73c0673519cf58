use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use hexabase_core::desired::{TenantCluster, TenantProject, TenantTarget};
use hexabase_core::error::{Error, ErrorKind, Result};
use hexabase_core::id::{ProjectId, TypedId as _};
use hexabase_core::model::DriftEntry;
use hexabase_core::provisioner::Applied;
use serde_json::Value;
use tokio::time::timeout;

use super::observe::is_rolled_out;
use super::{Namespace, VClusterProvisioner, not_ours, power, text, upgrade, volumes};
use crate::api_server::ApiServer;
use crate::difference::{Difference, compare};
use crate::labels;
use crate::object::{Kind, Object, ObjectKey, Objects};
use crate::render::host::{WAY_IN, kinds};
use crate::render::{host_objects, tenant_objects};

/// How many objects are applied at a time.
pub(super) const AT_ONCE: usize = 8;
/// How long it may take to bring the inside of a tenant where it should be; the next look goes on from there.
const INSIDE_AT_MOST: Duration = Duration::from_secs(60);

/// The kinds that are rendered inside a tenant.
const INSIDE: [Kind; 9] = [
    Kind::ADMISSION_POLICY,
    Kind::ADMISSION_POLICY_BINDING,
    Kind::CLUSTER_ROLE,
    Kind::CLUSTER_ROLE_BINDING,
    Kind::NAMESPACE,
    Kind::RESOURCE_QUOTA,
    Kind::LIMIT_RANGE,
    Kind::ROLE,
    Kind::ROLE_BINDING,
];

/// The way into a tenant.
enum Entrance {
    Open(ApiServer),
    /// It sleeps, or did not answer a moment ago.
    Shut,
    /// It has handed out no kubeconfig.
    Missing,
}

/// What there is inside a tenant.
struct Inside {
    api: ApiServer,
    actual: Objects,
    /// The projects that can be applied.
    desired: Vec<Object>,
    refused: BTreeMap<ProjectId, String>,
    /// Whether a namespace of ours is still on its way out where a new one should be.
    waiting: bool,
}

impl Inside {
    /// Whether every project can be what it should be.
    fn is_complete(&self) -> bool {
        self.refused.is_empty() && !self.waiting
    }
}

impl VClusterProvisioner {
    pub(super) async fn plan_cluster(&self, desired: &TenantCluster) -> Result<Vec<DriftEntry>> {
        let begun = self.begin_comparison(&desired.target).await?;
        let mut objects = host_objects(desired, &self.settings)?;
        let on_host = match self.namespace(&desired.target).await? {
            Namespace::Ours => self.on_host(&desired.target, &objects).await?,
            Namespace::Foreign => return Err(not_ours(&desired.target)),
            Namespace::Absent | Namespace::Terminating => Objects::new(),
        };
        keep(&mut objects, &on_host);
        let mut entries = compare("host", &objects, &on_host).entries;
        if let Some(decision) = self.decide_nodes(desired).await? {
            entries.extend(decision.drift());
        }
        if let Entrance::Open(api) = self.entrance(&desired.target, &on_host).await?
            && let Some(inside) = self.inside(desired, api).await?
        {
            entries.extend(compare("tenant", &inside.desired, &inside.actual).entries);
            if entries.is_empty() && inside.is_complete() {
                self.end_comparison(begun, desired)?;
            }
        }
        Ok(entries)
    }

    pub(super) async fn apply_cluster(&self, desired: &TenantCluster) -> Result<Applied> {
        if self.only_has_to_start(desired).await? {
            return Ok(Applied::default());
        }
        let mut objects = host_objects(desired, &self.settings)?;
        self.require_guard_on_ingresses().await?;
        let (on_host, replaced) = match self.apply_on_host(&desired.target, &mut objects).await {
            Err(error) => return Err(self.open(&objects, error).await),
            Ok(found) => found,
        };
        self.grow_volumes(&objects, desired.control_plane.storage, &on_host).await?;
        self.applied_on_host(desired)?;
        if replaced {
            // What answers now is on its way out.
            return Ok(Applied::default());
        }

        let inside = match self.entrance(&desired.target, &on_host).await? {
            Entrance::Open(api) => self.inside(desired, api).await?,
            Entrance::Shut => None,
            Entrance::Missing => {
                self.restart_if_mute(&desired.target, &on_host).await?;
                None
            }
        };
        let Some(inside) = inside else { return Ok(Applied::default()) };
        let difference = compare("tenant", &inside.desired, &inside.actual);
        let carried_out = timeout(INSIDE_AT_MOST, carry_out(&inside.api, &difference)).await;
        match carried_out.unwrap_or_else(|_| Err(Error::unavailable("the tenant is too slow"))) {
            Ok(()) => Ok(Applied {
                tenant: !inside.waiting,
                refused_projects: inside.refused,
                // Whoever is sent elsewhere from now on is not moved before.
                nodes: match power::stateful_set(&desired.target, &on_host).is_some_and(is_rolled_out) {
                    true => self.tend_nodes(desired).await?,
                    false => None,
                },
            }),
            // It answered a moment ago and does not now: it is asked again at the next look.
            Err(error) if is_busy(&error) => {
                tracing::debug!(%error, cluster = %desired.target.name, "the tenant stopped answering");
                Ok(Applied::default())
            }
            Err(error) => Err(error),
        }
    }

    /// Brings the host where it should be, and answers what was there before, and whether the control plane had to change.
    async fn apply_on_host(&self, target: &TenantTarget, objects: &mut [Object]) -> Result<(Objects, bool)> {
        let on_host = match self.namespace(target).await? {
            Namespace::Ours => self.on_host(target, objects).await?,
            Namespace::Absent => Objects::new(),
            Namespace::Foreign => return Err(not_ours(target)),
            Namespace::Terminating => return Err(Error::unavailable("the namespace is being removed")),
        };
        keep(objects, &on_host);
        upgrade::require_step(target, objects, &on_host)?;
        let difference = compare("host", objects, &on_host);
        carry_out(&self.host, &difference).await?;
        let replaced = difference.apply.iter().any(|object| object.kind == Kind::STATEFUL_SET);
        Ok((on_host, replaced))
    }

    /// Where Hexabase gives itself its rights in a namespace, a refusal means that they are not there, or not yet known to
    /// the API server: they are given again, and the next look finds them.
    async fn open(&self, objects: &[Object], error: Error) -> Error {
        let way_in = objects.iter().find(|object| is_way_in(object));
        let Some(way_in) = way_in.filter(|_| error.kind() == ErrorKind::Forbidden) else { return error };
        match self.host.apply(way_in).await {
            Ok(()) => Error::unavailable("the rights in the namespace are not known yet").caused_by(error),
            // What failed for a moment is no refusal.
            Err(failed) if failed.is_retryable() => failed,
            Err(_) => error,
        }
    }

    /// What Hexabase has made on the host for a tenant that is to be these objects.
    async fn on_host(&self, target: &TenantTarget, wanted: &[Object]) -> Result<Objects> {
        let selector = format!("{}={}", labels::WORKSPACE, target.workspace_id.kubernetes_name());
        // Ingresses and budgets may be of a time when there were to be some. TLSRoutes are not looked for: most hosts know of
        // none.
        let is_wanted = |kind: &Kind| wanted.iter().any(|object| object.kind == *kind);
        let (more, former): (Vec<_>, Vec<_>) =
            [Kind::INGRESS, Kind::POD_DISRUPTION_BUDGET].into_iter().partition(is_wanted);
        let mut all = kinds(&self.settings);
        all.extend(more.into_iter().filter(|kind| !all.contains(kind)).collect::<Vec<_>>());
        let mut found = collect(&self.host, &all, Some(&target.name), &selector).await?;
        if let Some(namespace) = self.host.find(Kind::NAMESPACE, "", &target.name).await? {
            let key =
                ObjectKey { kind: Kind::NAMESPACE, namespace: String::new(), name: target.name.clone() };
            found.insert(key, namespace);
        }
        for kind in former {
            found.extend(self.found_if_allowed(kind, target, &selector).await?);
        }
        Ok(found)
    }

    /// What Hexabase has made of a kind to which it had no rights in earlier releases: whoever may not look has never made
    /// one.
    async fn found_if_allowed(&self, kind: Kind, target: &TenantTarget, selector: &str) -> Result<Objects> {
        match self.host.list(kind, Some(&target.name), selector).await {
            Ok(bodies) => Ok(bodies.into_iter().map(|body| (ObjectKey::of(kind, &body), body)).collect()),
            Err(error) if error.kind() == ErrorKind::Forbidden => Ok(Objects::new()),
            Err(error) => Err(error),
        }
    }

    /// How a tenant can be got into.
    async fn entrance(&self, target: &TenantTarget, on_host: &Objects) -> Result<Entrance> {
        if !is_awake(target, on_host) || self.is_silent(target) {
            return Ok(Entrance::Shut);
        }
        let Some(api) = self.tenant(target).await? else { return Ok(Entrance::Missing) };
        drop(self.mute.remove(&target.name));
        Ok(Entrance::Open(api))
    }

    /// What there is inside a tenant and what should be, once its API server answers.
    async fn inside(&self, desired: &TenantCluster, api: ApiServer) -> Result<Option<Inside>> {
        let looked = async {
            let namespaces = api.list(Kind::NAMESPACE, None, "").await?;
            let selector = format!("{}=true", labels::MANAGED);
            let actual = collect(&api, &INSIDE, None, &selector).await?;
            Ok((namespaces, actual))
        };
        let (namespaces, actual) = match looked.await {
            Ok(found) => found,
            Err(error) => return not_yet(error, &desired.target),
        };
        let namespaces: BTreeMap<&str, &Value> =
            namespaces.iter().map(|body| (text(body, "/metadata/name"), body)).collect();
        let mut projects = Vec::new();
        let (mut refused, mut waiting) = (BTreeMap::new(), false);
        for project in &desired.projects {
            match place_of(project, namespaces.get(project.namespace.as_str()).copied()) {
                Place::Free => projects.push(project.clone()),
                Place::Leaving => waiting = true,
                Place::Taken => {
                    refused.insert(project.id, refusal(project));
                }
            }
        }
        let wanted = tenant_objects(&TenantCluster { projects, ..desired.clone() });
        Ok(Some(Inside { api, actual, desired: wanted, refused, waiting }))
    }
}

/// Whether there is a control plane that should be running.
fn is_awake(target: &TenantTarget, on_host: &Objects) -> bool {
    power::stateful_set(target, on_host).is_some_and(|set| power::replicas(set) > 0)
}

/// Leaves what cannot be otherwise on the host as it is there, and what is not asked for here: a volume's size, and sleep.
fn keep(objects: &mut [Object], on_host: &Objects) {
    for object in objects.iter_mut().filter(|object| object.kind == Kind::STATEFUL_SET) {
        if let Some(there) = on_host.get(&object.key()) {
            volumes::keep_templates(object, there);
            power::let_sleep(object, there);
        }
    }
}

/// What is in the place of a project's namespace.
enum Place {
    /// Nothing, or the project's own namespace.
    Free,
    /// The namespace of an earlier project of that name, which is going.
    Leaving,
    /// Somebody else's namespace.
    Taken,
}

fn place_of(project: &TenantProject, there: Option<&Value>) -> Place {
    let Some(body) = there else { return Place::Free };
    let label = |name: &str| {
        body.pointer("/metadata/labels").and_then(|labels| labels.get(name)).and_then(Value::as_str)
    };
    let leaving = body.pointer("/metadata/deletionTimestamp").is_some();
    match (label(labels::MANAGED), label(labels::PROJECT)) {
        (Some("true"), Some(id)) if id == project.id.kubernetes_name() => {
            if leaving {
                Place::Leaving
            } else {
                Place::Free
            }
        }
        (Some("true"), Some(_)) => Place::Leaving,
        _ => Place::Taken,
    }
}

fn refusal(project: &TenantProject) -> String {
    format!(
        "a namespace {} is there already and was not made by Hexabase; rename or remove it, or choose another name",
        project.namespace
    )
}

/// Whether an API server may well do later what it did not do now.
fn is_busy(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::RateLimited)
}

/// A tenant that does not answer is asked again at the next look.
fn not_yet(error: Error, target: &TenantTarget) -> Result<Option<Inside>> {
    if is_busy(&error) || matches!(error.kind(), ErrorKind::Forbidden | ErrorKind::NotFound) {
        tracing::debug!(%error, cluster = %target.name, "the tenant does not answer yet");
        return Ok(None);
    }
    Err(error)
}

/// Waits for all of these, a few at a time; the first failure ends it.
async fn all<T: Send>(work: Vec<BoxFuture<'_, Result<T>>>) -> Result<Vec<T>> {
    stream::iter(work).buffer_unordered(AT_ONCE).try_collect().await
}

/// All objects of these kinds, by what they are.
async fn collect(
    api: &ApiServer,
    kinds: &[Kind],
    namespace: Option<&str>,
    selector: &str,
) -> Result<Objects> {
    let mut lists = Vec::with_capacity(kinds.len());
    for kind in kinds.iter().copied() {
        lists.push(async move { Ok((kind, api.list(kind, namespace, selector).await?)) }.boxed());
    }
    let mut objects = Objects::new();
    for (kind, bodies) in all(lists).await? {
        objects.extend(bodies.into_iter().map(|body| (ObjectKey::of(kind, &body), body)));
    }
    Ok(objects)
}

/// Applies what is missing or differs, then removes what is too much. What must be there before others can
/// be is applied first: namespaces before what lies in them, our own rights before what we do with them, roles before who
/// has them, quotas before what they have to have room for; and the control plane comes last, when everything it needs is
/// there.
async fn carry_out(api: &ApiServer, difference: &Difference<'_>) -> Result<()> {
    let stages: BTreeSet<u8> = difference.apply.iter().map(|object| stage(object)).collect();
    for now in stages {
        let mut applied = Vec::new();
        for object in difference.apply.iter().copied().filter(|object| stage(object) == now) {
            applied.push(api.apply(object).boxed());
        }
        all(applied).await?;
    }
    for (key, uid) in difference.remove.iter().rev() {
        api.delete(key.kind, &key.namespace, &key.name, uid.as_deref()).await?;
    }
    Ok(())
}

fn is_way_in(object: &Object) -> bool {
    object.kind == Kind::ROLE_BINDING && object.name == WAY_IN
}

fn stage(object: &Object) -> u8 {
    match object.kind {
        Kind::NAMESPACE => 0,
        _ if is_way_in(object) => 1,
        Kind::ROLE_BINDING | Kind::CLUSTER_ROLE_BINDING | Kind::SERVICE => 3,
        Kind::STATEFUL_SET => 4,
        _ => 2,
    }
}
