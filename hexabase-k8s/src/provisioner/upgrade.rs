//! Which way a control plane may go from what runs there: up by one minor version at a time, and never down. That holds for
//! Kubernetes (<https://kubernetes.io/releases/version-skew-policy/>) and for vCluster alike; patches come and go. And where
//! its objects are, it stays.

use hexabase_core::desired::TenantTarget;
use hexabase_core::error::{Error, Result};
use hexabase_core::provisioner::{NO_OTHER_STORE, NO_UPGRADE_PATH};
use serde_json::Value;

use super::power::stateful_set;
use super::text;
use crate::object::{Kind, Object, ObjectKey, Objects};

/// What has a version of its own, by the list and the name of the container whose image it comes in.
const VERSIONED: [(&str, &str, &str); 2] =
    [("Kubernetes", "initContainers", "kubernetes"), ("vCluster", "containers", "syncer")];

/// Refuses a way that no control plane may go from where it is on the host.
pub(super) fn require_step(target: &TenantTarget, objects: &[Object], on_host: &Objects) -> Result<()> {
    let named = |name: &str| {
        let is_it = |object: &&Object| object.kind == Kind::STATEFUL_SET && object.name == name;
        objects.iter().find(is_it).map(|object| &object.body)
    };
    let (Some(there), Some(wanted)) = (stateful_set(target, on_host), named(&target.name)) else {
        return Ok(());
    };
    require_version(target, there, wanted)?;
    let etcd = format!("{}-etcd", target.name);
    let key = ObjectKey { kind: Kind::STATEFUL_SET, namespace: target.name.clone(), name: etcd.clone() };
    require_store(target, members(on_host.get(&key)), members(named(&etcd)))
}

/// Of which members an etcd says that it is.
fn members(etcd: Option<&Value>) -> Option<&str> {
    let command = etcd?.pointer("/spec/template/spec/containers/0/command")?.as_array()?;
    command.iter().find_map(|argument| argument.as_str()?.strip_prefix("--initial-cluster="))
}

/// Refuses to leave the objects of a control plane behind in one store and look for them in another.
fn require_store(target: &TenantTarget, there: Option<&str>, wanted: Option<&str>) -> Result<()> {
    let called = |members: Option<&str>| match members.map(|members| members.split(',').count()) {
        None => "a file of its own".to_owned(),
        Some(1) => "an etcd of one member".to_owned(),
        Some(count) => format!("an etcd of {count} members"),
    };
    if there == wanted {
        return Ok(());
    }
    let (there, wanted) = (called(there), called(wanted));
    let message = format!(
        "{} keeps its objects in {there}, and cannot take them along to {wanted}; leave it on a plan with the former, or \
         make a new workspace",
        target.name
    );
    Err(Error::conflict(NO_OTHER_STORE, message))
}

/// Refuses a control plane that would go down, or up by more than one minor version. Images that do not say their version
/// are anybody's guess.
fn require_version(target: &TenantTarget, there: &Value, wanted: &Value) -> Result<()> {
    for (what, list, container) in VERSIONED {
        let tag = |set| tag_of(set, list, container);
        let (Some(there), Some(wanted)) = (tag(there), tag(wanted)) else { continue };
        let (Some((major, minor)), Some(next)) = (minor_of(there), minor_of(wanted)) else { continue };
        if next.0 != major || !(minor..=minor + 1).contains(&next.1) {
            let message = format!(
                "{what} {there} runs in {}, which goes neither down nor over a minor version to {wanted}; let it run \
                 {major}.{minor} or {major}.{}",
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

/// `v1.36.0` as 1 and 36.
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

    fn step(there: (&str, &str), wanted: (&str, &str)) -> Result<()> {
        let target = TenantTarget::of(&fixture::workspace("dev"));
        require_version(&target, &set(there.0, there.1), &set(wanted.0, wanted.1))
    }

    #[test]
    fn patches_come_and_go_and_the_next_minor_version_may_come() {
        let there = (":v1.34.2", ":0.36.1");
        for wanted in [(":v1.34.2", ":0.36.1"), (":v1.34.0", ":0.36.0"), (":v1.35.1", ":0.37.0")] {
            step(there, wanted).unwrap();
        }
    }

    #[test]
    fn nothing_goes_down_or_leaps() {
        let there = (":v1.34.2", ":0.36.1");
        for (wanted, what) in [
            ((":v1.33.9", ":0.36.1"), "Kubernetes v1.34.2"),
            ((":v1.36.0", ":0.36.1"), "Kubernetes v1.34.2"),
            ((":v2.34.0", ":0.36.1"), "Kubernetes v1.34.2"),
            ((":v1.34.2", ":0.35.4"), "vCluster 0.36.1"),
            ((":v1.34.2", ":0.38.0"), "vCluster 0.36.1"),
        ] {
            let error = step(there, wanted).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Conflict);
            assert!(error.message().starts_with(what), "{error}");
        }
    }

    #[test]
    fn an_image_that_does_not_say_its_version_is_in_nobodys_way() {
        for unknown in ["", ":latest", "@sha256:0123", ":v1"] {
            step((unknown, unknown), (":v1.34.2", ":0.36.1")).unwrap();
        }
    }
}
