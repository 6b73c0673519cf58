//! Upgrade check: a control plane may change its patch release, and move up by one minor version at a time, but never
//! down. This holds for Kubernetes (<https://kubernetes.io/releases/version-skew-policy/>) and for vCluster. It may
//! not change its store.

use hexabase_core::desired::TenantTarget;
use hexabase_core::error::{Error, Result};
use hexabase_core::provisioner::{NO_OTHER_STORE, NO_UPGRADE_PATH};
use serde_json::Value;

use super::suspend::stateful_set;
use super::text;
use crate::object::{Kind, Object, ObjectKey, Objects};

/// Components with a version of their own: name, container list and container whose image tag is the version.
const VERSIONED_COMPONENTS: [(&str, &str, &str); 2] =
    [("Kubernetes", "initContainers", "kubernetes"), ("vCluster", "containers", "syncer")];

/// Rejects a change of versions or store that the existing control plane cannot make.
pub(super) fn require_upgrade_path(
    target: &TenantTarget,
    objects: &[Object],
    host_state: &Objects,
) -> Result<()> {
    let named = |name: &str| {
        let is_it = |object: &&Object| object.kind == Kind::STATEFUL_SET && object.name == name;
        objects.iter().find(is_it).map(|object| &object.body)
    };
    let (Some(existing), Some(desired)) = (stateful_set(target, host_state), named(&target.name)) else {
        return Ok(());
    };
    require_version(target, existing, desired)?;
    let etcd = format!("{}-etcd", target.name);
    let key = ObjectKey { kind: Kind::STATEFUL_SET, namespace: target.name.clone(), name: etcd.clone() };
    require_store(target, members(host_state.get(&key)), members(named(&etcd)))
}

/// Returns the member list in the command of an etcd.
fn members(etcd: Option<&Value>) -> Option<&str> {
    let command = etcd?.pointer("/spec/template/spec/containers/0/command")?.as_array()?;
    command.iter().find_map(|argument| argument.as_str()?.strip_prefix("--initial-cluster="))
}

/// Rejects a change of the store, because the objects in the existing store would be lost.
fn require_store(target: &TenantTarget, existing: Option<&str>, desired: Option<&str>) -> Result<()> {
    let description = |members: Option<&str>| match members.map(|members| members.split(',').count()) {
        None => "an embedded database".to_owned(),
        Some(1) => "an etcd with one member".to_owned(),
        Some(count) => format!("an etcd with {count} members"),
    };
    if existing == desired {
        return Ok(());
    }
    let (existing, desired) = (description(existing), description(desired));
    let message = format!(
        "{} stores its objects in {existing} and cannot move them to {desired}; choose a plan with the same store, or \
         create a new workspace",
        target.name
    );
    Err(Error::conflict(NO_OTHER_STORE, message))
}

/// Rejects a downgrade, and an upgrade by more than one minor version. Image tags that are not a version are not
/// checked.
fn require_version(target: &TenantTarget, existing: &Value, desired: &Value) -> Result<()> {
    for (component, list, container) in VERSIONED_COMPONENTS {
        let tag = |set| tag_of(set, list, container);
        let (Some(existing), Some(desired)) = (tag(existing), tag(desired)) else { continue };
        let (Some((major, minor)), Some(next)) = (minor_of(existing), minor_of(desired)) else { continue };
        if next.0 != major || !(minor..=minor + 1).contains(&next.1) {
            let message = format!(
                "{component} {existing} of {} cannot change to {desired}; choose {major}.{minor} or {major}.{}",
                target.name,
                minor + 1
            );
            return Err(Error::conflict(NO_UPGRADE_PATH, message));
        }
    }
    Ok(())
}

fn tag_of<'a>(set: &'a Value, list: &str, container: &str) -> Option<&'a str> {
    let containers = set.pointer("/spec/template/spec")?.get(list)?.as_array()?;
    let found = containers.iter().find(|found| text(found, "/name") == container)?;
    let (_, tag) = text(found, "/image").rsplit_once(':')?;
    Some(tag)
}

/// Parses the minor version of a tag: `v1.36.0` as 1 and 36.
fn minor_of(tag: &str) -> Option<(u32, u32)> {
    let mut numbers = tag.trim_start_matches('v').split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use hexabase_core::error::ErrorKind;
    use hexabase_core::fixture;
    use serde_json::json;

    use super::*;

    fn set(kubernetes: &str, vcluster: &str) -> Value {
        let spec = json!({
            "initContainers": [{ "name": "kubernetes", "image": format!("mirror.example:5000/kubernetes{kubernetes}") }],
            "containers": [{ "name": "syncer", "image": format!("mirror.example:5000/vcluster{vcluster}") }],
        });
        json!({ "spec": { "template": { "spec": spec } } })
    }

    fn check(existing: (&str, &str), desired: (&str, &str)) -> Result<()> {
        let target = TenantTarget::of(&fixture::workspace("dev"));
        require_version(&target, &set(existing.0, existing.1), &set(desired.0, desired.1))
    }

    #[test]
    fn patch_releases_and_the_next_minor_version_are_allowed() {
        let existing = (":v1.34.2", ":0.36.1");
        for desired in [(":v1.34.2", ":0.36.1"), (":v1.34.0", ":0.36.0"), (":v1.35.1", ":0.37.0")] {
            check(existing, desired).unwrap();
        }
    }

    #[test]
    fn downgrades_and_skipped_minor_versions_are_rejected() {
        let existing = (":v1.34.2", ":0.36.1");
        for (desired, component) in [
            ((":v1.33.9", ":0.36.1"), "Kubernetes v1.34.2"),
            ((":v1.36.0", ":0.36.1"), "Kubernetes v1.34.2"),
            ((":v2.34.0", ":0.36.1"), "Kubernetes v1.34.2"),
            ((":v1.34.2", ":0.35.4"), "vCluster 0.36.1"),
            ((":v1.34.2", ":0.38.0"), "vCluster 0.36.1"),
        ] {
            let error = check(existing, desired).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Conflict);
            assert!(error.message().starts_with(component), "{error}");
        }
    }

    #[test]
    fn image_tags_that_are_not_a_version_are_not_checked() {
        for unknown in ["", ":latest", "@sha256:0123", ":v1"] {
            check((unknown, unknown), (":v1.34.2", ":0.36.1")).unwrap();
        }
    }
}
