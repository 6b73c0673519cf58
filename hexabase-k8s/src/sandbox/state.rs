//! Stored state of one API server.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

use super::admission_policy::{AdmissionPolicies, AdmissionPolicy, is_policy};
use super::kinds::{KindInfo, Kinds};
use super::managers::{Manager, managed_fields_value};
use super::service_account_tokens::BoundToken;

/// Maximum number of past changes from which a watch can resume.
const CHANGE_HISTORY_LIMIT: usize = 1_024;

/// Stored resource: API group and plural.
pub(super) type Resource = (String, String);

/// Namespace and name of an object.
pub(super) type Name = (String, String);

/// Object and its field managers.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) body: Arc<Value>,
    pub(super) managers: Arc<Vec<Manager>>,
}

/// Kind of change of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChangeKind {
    Added,
    Modified,
    Deleted,
}

/// Change of an object, for watches and controllers.
#[derive(Debug, Clone)]
pub(super) struct Change {
    pub(super) version: u64,
    pub(super) kind: ChangeKind,
    pub(super) resource: Resource,
    pub(super) object: Stored,
    pub(super) before: Option<Arc<Value>>,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) kinds: Kinds,
    /// Stored admission policies, compiled.
    pub(super) admission_policies: AdmissionPolicies,
    /// Tokens that were requested for ServiceAccounts.
    pub(super) bound_tokens: BTreeMap<String, BoundToken>,
    objects: BTreeMap<Resource, BTreeMap<Name, Stored>>,
    version: u64,
    history: VecDeque<Change>,
    /// Notifies watches of a new resource version.
    pub(super) latest_version: watch::Sender<u64>,
    /// Delivers changes to controllers.
    changes: mpsc::UnboundedSender<Change>,
}

/// State shared between requests. Clones share it.
#[derive(Clone)]
pub(super) struct SharedState(Arc<Mutex<State>>);

impl SharedState {
    pub(super) fn new(state: State) -> Self {
        Self(Arc::new(Mutex::new(state)))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn name_of(body: &Value) -> Name {
    let field = |name: &str| body["metadata"][name].as_str().unwrap_or_default().to_owned();
    (field("namespace"), field("name"))
}

impl State {
    pub(super) fn new() -> (Self, mpsc::UnboundedReceiver<Change>) {
        let (changes, receiver) = mpsc::unbounded_channel();
        let state = Self {
            kinds: Kinds::built_in(),
            admission_policies: AdmissionPolicies::new(),
            bound_tokens: BTreeMap::new(),
            objects: BTreeMap::new(),
            version: 1,
            history: VecDeque::new(),
            latest_version: watch::Sender::new(1),
            changes,
        };
        (state, receiver)
    }

    pub(super) fn version(&self) -> u64 {
        self.version
    }

    pub(super) fn find(&self, resource: &Resource, name: &Name) -> Option<&Stored> {
        self.objects.get(resource)?.get(name)
    }

    /// Object of a built-in resource, by the resource's plural.
    pub(super) fn get(&self, group: &str, plural: &str, namespace: &str, name: &str) -> Option<&Value> {
        let resource = (group.to_owned(), plural.to_owned());
        self.find(&resource, &(namespace.to_owned(), name.to_owned())).map(|stored| &*stored.body)
    }

    /// Objects of a resource in one namespace, or in all for an empty one, in the order of namespace and name.
    pub(super) fn scan<'a>(
        &'a self,
        resource: &Resource,
        namespace: &'a str,
    ) -> impl Iterator<Item = (&'a Name, &'a Stored)> + use<'a> {
        let start = (namespace.to_owned(), String::new());
        let all =
            self.objects.get(resource).into_iter().flat_map(move |objects| objects.range(start.clone()..));
        all.take_while(move |((object_namespace, _), _)| {
            namespace.is_empty() || object_namespace == namespace
        })
    }

    /// As [`Self::scan`], for a built-in resource.
    pub(super) fn all<'a>(
        &'a self,
        group: &str,
        plural: &str,
        namespace: &'a str,
    ) -> impl Iterator<Item = &'a Value> + use<'a> {
        let resource = (group.to_owned(), plural.to_owned());
        self.scan(&resource, namespace).map(|(_, stored)| &*stored.body)
    }

    /// Resources that have objects.
    pub(super) fn resources(&self) -> Vec<Resource> {
        self.objects
            .iter()
            .filter(|(_, objects)| !objects.is_empty())
            .map(|(resource, _)| resource.clone())
            .collect()
    }

    /// Stores an object under a new resource version.
    pub(super) fn store(&mut self, kind: &KindInfo, mut body: Value, managers: Vec<Manager>) -> Stored {
        self.version += 1;
        body["metadata"]["resourceVersion"] = json!(self.version.to_string());
        if kind.plural == "customresourcedefinitions" {
            self.kinds.define(&body);
        }
        if is_policy(&kind.group, &kind.plural) {
            self.admission_policies.insert(name_of(&body).1, AdmissionPolicy::of(&body));
        }
        let resource = (kind.group.clone(), kind.plural.clone());
        let name = name_of(&body);
        let stored = Stored { body: Arc::new(body), managers: Arc::new(managers) };
        let before = self.objects.entry(resource.clone()).or_default().insert(name, stored.clone());
        let change_kind = if before.is_some() { ChangeKind::Modified } else { ChangeKind::Added };
        self.publish(change_kind, resource, stored.clone(), before.map(|stored| stored.body));
        stored
    }

    /// Removes an object and publishes the deletion.
    pub(super) fn remove(&mut self, resource: &Resource, name: &Name) -> Option<Stored> {
        let stored = self.objects.get_mut(resource)?.remove(name)?;
        self.version += 1;
        if resource.1 == "customresourcedefinitions" {
            self.kinds.undefine(&stored.body);
        }
        if is_policy(&resource.0, &resource.1) {
            self.admission_policies.remove(&name.1);
        }
        let mut last = (*stored.body).clone();
        last["metadata"]["resourceVersion"] = json!(self.version.to_string());
        let last = Stored { body: Arc::new(last), managers: stored.managers.clone() };
        self.publish(ChangeKind::Deleted, resource.clone(), last, Some(stored.body.clone()));
        Some(stored)
    }

    fn publish(&mut self, kind: ChangeKind, resource: Resource, object: Stored, before: Option<Arc<Value>>) {
        let change = Change { version: self.version, kind, resource, object, before };
        if self.history.len() == CHANGE_HISTORY_LIMIT {
            self.history.pop_front();
        }
        self.history.push_back(change.clone());
        self.latest_version.send_replace(self.version);
        // The send fails only while the sandbox shuts down.
        let _ = self.changes.send(change);
    }

    /// Changes of a resource after a version. `None` if the version is older than the history.
    pub(super) fn changes_after(&self, resource: &Resource, version: u64) -> Option<Vec<Change>> {
        let complete = self.history.len() < CHANGE_HISTORY_LIMIT;
        let oldest = self.history.front().map_or(0, |change| change.version);
        if !complete && version + 1 < oldest {
            return None;
        }
        let newer =
            self.history.iter().filter(|change| change.version > version && change.resource == *resource);
        Some(newer.cloned().collect())
    }
}

impl Stored {
    /// Object as responses contain it: with `managedFields`.
    pub(super) fn with_managed_fields(&self) -> Value {
        let mut body = (*self.body).clone();
        let version = body["apiVersion"].as_str().unwrap_or_default().to_owned();
        if !self.managers.is_empty() {
            body["metadata"]["managedFields"] = managed_fields_value(&self.managers, &version);
        }
        body
    }
}
