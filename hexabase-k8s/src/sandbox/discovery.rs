//! Discovery of API groups, versions and kinds.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::kinds::KindInfo;
use super::response::{StatusError, StatusResult};
use super::reviews::REVIEWS;
use super::scale;
use super::state::State;

const VERBS: [&str; 8] = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

impl State {
    pub(super) fn discover(&self, path: &[String]) -> StatusResult<Value> {
        let segments: Vec<&str> = path.iter().map(String::as_str).collect();
        match segments.as_slice() {
            ["api"] => {
                Ok(json!({ "kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [] }))
            }
            ["api", "v1"] => self.resources_of("", "v1"),
            ["apis"] => {
                let groups: Vec<Value> =
                    self.groups().iter().map(|(group, versions)| group_entry(group, versions)).collect();
                Ok(json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups }))
            }
            ["apis", group] => {
                let groups = self.groups();
                let versions = groups.get(*group).ok_or_else(StatusError::no_such_path)?;
                let mut entry = group_entry(group, versions);
                entry["kind"] = json!("APIGroup");
                entry["apiVersion"] = json!("v1");
                Ok(entry)
            }
            ["apis", group, version] => self.resources_of(group, version),
            _ => Err(StatusError::no_such_path()),
        }
    }

    fn groups(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut groups: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for kind in self.kinds.iter().filter(|kind| !kind.group.is_empty()) {
            groups.entry(kind.group.clone()).or_default().insert(kind.version.clone());
        }
        for (group, ..) in REVIEWS {
            groups.entry(group.to_owned()).or_default().insert("v1".to_owned());
        }
        groups
    }

    fn resources_of(&self, group: &str, version: &str) -> StatusResult<Value> {
        let mut resources = Vec::new();
        for kind in self.kinds.iter().filter(|kind| kind.group == group && kind.version == version) {
            resources.push(resource_entry(kind));
            let mut subresources = Vec::new();
            subresources.extend(kind.has_status.then_some(("status", kind.kind.as_str(), "", "")));
            subresources.extend(scale::is_scalable(kind).then_some(("scale", "Scale", "autoscaling", "v1")));
            for (name, object_kind, object_group, object_version) in subresources {
                resources.push(json!({
                    "name": format!("{}/{name}", kind.plural),
                    "singularName": "",
                    "namespaced": kind.namespaced,
                    "group": object_group,
                    "version": object_version,
                    "kind": object_kind,
                    "verbs": ["get", "patch", "update"],
                }));
            }
        }
        for (_, kind, plural, namespaced) in
            REVIEWS.iter().filter(|(review_group, ..)| *review_group == group && version == "v1")
        {
            let singular = kind.to_lowercase();
            resources.push(json!({ "name": plural, "singularName": singular, "namespaced": namespaced, "kind": kind, "verbs": ["create"] }));
        }
        if resources.is_empty() {
            return Err(StatusError::no_such_path());
        }
        let group_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
        Ok(
            json!({ "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources }),
        )
    }
}

fn group_entry(group: &str, versions: &BTreeSet<String>) -> Value {
    let version =
        |version: &String| json!({ "groupVersion": format!("{group}/{version}"), "version": version });
    let all: Vec<Value> = versions.iter().map(version).collect();
    json!({ "name": group, "versions": all, "preferredVersion": all.last() })
}

/// Kinds that `kubectl get all` lists.
const WORKLOADS: [&str; 10] = [
    "pods",
    "replicationcontrollers",
    "services",
    "daemonsets",
    "deployments",
    "replicasets",
    "statefulsets",
    "horizontalpodautoscalers",
    "cronjobs",
    "jobs",
];

fn resource_entry(kind: &KindInfo) -> Value {
    let categories: &[&str] = if WORKLOADS.contains(&kind.plural.as_str()) { &["all"] } else { &[] };
    json!({
        "name": kind.plural,
        "singularName": kind.singular,
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": VERBS,
        "shortNames": kind.short_names,
        "categories": categories,
    })
}
