//! Garbage collection of dependents whose owner is deleted.

use serde_json::Value;

use super::state::{Name, Resource, State};

impl State {
    /// Removes an owner from the owner references of its dependents, which are then kept.
    pub(super) fn orphan_dependents(&mut self, owner: &Value) {
        for (resource, name) in self.owned_by(&owner["metadata"]["uid"]) {
            let Some(kind) = self.kinds.of_resource(&resource.0, &resource.1).cloned() else { continue };
            let Some(stored) = self.find(&resource, &name).cloned() else { continue };
            let mut body = (*stored.body).clone();
            if let Some(owners) = body["metadata"]["ownerReferences"].as_array_mut() {
                owners.retain(|reference| reference["uid"] != owner["metadata"]["uid"]);
            }
            self.store(&kind, body, stored.managers.to_vec());
        }
    }

    /// Deletes the dependents of an owner that have no other existing owner.
    pub(super) fn collect_garbage(&mut self, owner: &Value) {
        for (resource, name) in self.owned_by(&owner["metadata"]["uid"]) {
            let Some(kind) = self.kinds.of_resource(&resource.0, &resource.1).cloned() else { continue };
            let Some(stored) = self.find(&resource, &name).cloned() else { continue };
            let owners = stored.body["metadata"]["ownerReferences"].as_array().cloned().unwrap_or_default();
            if !owners.iter().any(|owner| self.exists(owner, &name.0)) {
                self.begin_deletion(&kind, &name, false);
            }
        }
    }

    /// Objects whose owner references name this UID.
    fn owned_by(&self, uid: &Value) -> Vec<(Resource, Name)> {
        let mut found = Vec::new();
        for resource in self.resources() {
            let owned = self.scan(&resource, "").filter(|(_, stored)| {
                let owners = stored.body["metadata"]["ownerReferences"].as_array();
                owners.is_some_and(|owners| owners.iter().any(|owner| owner["uid"] == *uid))
            });
            found.extend(owned.map(|(name, _)| (resource.clone(), name.clone())));
        }
        found
    }

    fn exists(&self, reference: &Value, namespace: &str) -> bool {
        let group = reference["apiVersion"].as_str().unwrap_or_default();
        let group = group.split_once('/').map_or("", |(group, _)| group);
        let kind = self
            .kinds
            .iter()
            .find(|kind| kind.group == group && Some(kind.kind.as_str()) == reference["kind"].as_str());
        let Some(kind) = kind else { return false };
        let namespace = if kind.namespaced { namespace } else { "" };
        let name = reference["name"].as_str().unwrap_or_default();
        self.get(&kind.group, &kind.plural, namespace, name)
            .is_some_and(|owner| owner["metadata"]["uid"] == reference["uid"])
    }
}
