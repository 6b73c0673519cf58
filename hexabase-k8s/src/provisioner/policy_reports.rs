//! Violations of policies by the objects that a tenant synced to the host, from PolicyReports in its namespace
//! (<https://github.com/kubernetes-sigs/wg-policy-prototypes>), as Kyverno writes them.
//!
//! Reports name the objects of the host. Their names in the tenant cluster come from the labels and annotations that the
//! syncer writes to them, and never from the names themselves: `a-x-b-x-c` is ambiguous, and long names are hashes.

use std::collections::{BTreeMap, BTreeSet};

use hexabase_core::desired::TenantTarget;
use hexabase_core::error::{Error, ErrorKind, Result};
use hexabase_core::model::{PolicyFinding, PolicyFindings, PolicyResult};
use jiff::Timestamp;
use kube::api::ListParams;
use serde_json::Value;

use super::{Namespace, VClusterProvisioner, text};
use crate::api_server::Content;
use crate::labels::{SYNCED_BY, SYNCED_FROM, SYNCED_NAME};
use crate::object::Kind;

/// Kinds of synced objects whose violations are reported.
const REPORTED_KINDS: [Kind; 6] =
    [Kind::POD, Kind::SERVICE, Kind::CONFIG_MAP, Kind::SECRET, Kind::PERSISTENT_VOLUME_CLAIM, Kind::INGRESS];
/// Number of objects per page. A report has some kilobytes.
const PAGE_SIZE: u32 = 250;
/// Maximum number of pages of reports, and of the objects of a kind.
const MAX_PAGES: usize = 20;
/// Maximum number of violations before those of the control plane are left out.
const MAX_VIOLATIONS: usize = 2_000;

/// Violation by an object of the host.
#[derive(Debug)]
struct Violation {
    object: HostObject,
    /// Uid of the object; empty if the report has none.
    uid: String,
    policy: String,
    rule: String,
    result: PolicyResult,
    message: String,
    evaluated_at: Option<Timestamp>,
}

/// Kind and name of an object of the host.
type HostObject = (Kind, String);

/// Object that a tenant synced to the host.
#[derive(Debug, PartialEq, Eq)]
struct SyncedObject {
    uid: String,
    namespace: String,
    name: String,
}

impl SyncedObject {
    /// Reads the metadata of an object. `None` if the syncer of this tenant did not write it.
    fn of(object: &Value, tenant: &str) -> Option<Self> {
        let field = |place: &str, key: &str| {
            let value =
                object.pointer("/metadata").and_then(|metadata| metadata.get(place)?.get(key)?.as_str());
            value.filter(|value| !value.is_empty()).map(str::to_owned)
        };
        (field("labels", SYNCED_BY)? == tenant).then_some(())?;
        Some(Self {
            uid: text(object, "/metadata/uid").to_owned(),
            namespace: field("labels", SYNCED_FROM)?,
            name: field("annotations", SYNCED_NAME)?,
        })
    }
}

/// Returns the violations of a report. A report is about the object in `scope`, or each result names its own.
fn violations_of(report: &Value) -> impl Iterator<Item = Violation> {
    let results = report["results"].as_array().into_iter().flatten();
    results.filter_map(|result| {
        let object = result.pointer("/resources/0").or_else(|| report.get("scope"))?;
        let (kind, version) = (text(object, "/kind"), text(object, "/apiVersion"));
        let kind = REPORTED_KINDS
            .into_iter()
            .find(|known| known.kind == kind && (version.is_empty() || version == known.api_version()))?;
        let seconds = result.pointer("/timestamp/seconds").and_then(Value::as_i64);
        Some(Violation {
            object: (kind, text(object, "/name").to_owned()),
            uid: text(object, "/uid").to_owned(),
            policy: text(result, "/policy").to_owned(),
            rule: text(result, "/rule").to_owned(),
            result: text(result, "/result").parse().ok()?,
            message: text(result, "/message").to_owned(),
            evaluated_at: seconds.and_then(|seconds| Timestamp::from_second(seconds).ok()),
        })
    })
}

/// Returns the violation by the names of the tenant cluster. `None` if the object is not one of the tenant, or was replaced
/// by another one since.
fn finding(
    violation: Violation,
    objects: &BTreeMap<HostObject, SyncedObject>,
    tenant: &str,
) -> Option<PolicyFinding> {
    let Violation { object, uid, policy, rule, result, message, evaluated_at } = violation;
    let synced = objects.get(&object).filter(|synced| uid.is_empty() || synced.uid == uid)?;
    let (kind, host_name) = object;
    let message = message.replace(&host_name, &synced.name).replace(tenant, &synced.namespace);
    let (namespace, name) = (synced.namespace.clone(), synced.name.clone());
    Some(PolicyFinding {
        namespace,
        kind: kind.kind.to_owned(),
        name,
        policy,
        rule,
        result,
        message,
        evaluated_at,
    })
}

impl VClusterProvisioner {
    pub(super) async fn read_policy_findings(&self, target: &TenantTarget) -> Result<PolicyFindings> {
        if !self.config.policy_reports {
            return Err(Error::unsupported(
                "policies of this host write no reports; set policy_reports to kyverno",
            ));
        }
        if self.namespace(target).await? != Namespace::Owned {
            return Err(Error::not_found("cluster"));
        }
        let (violations, mut truncated) = self.violations(target).await?;
        let reported: BTreeSet<HostObject> =
            violations.iter().map(|violation| violation.object.clone()).collect();
        let mut objects = BTreeMap::new();
        for kind in REPORTED_KINDS {
            if reported.iter().any(|(reported, _)| *reported == kind) {
                truncated |= self.add_synced_objects(target, kind, &reported, &mut objects).await?;
            }
        }
        let items = violations.into_iter();
        let items = items.filter_map(|violation| finding(violation, &objects, &target.name)).collect();
        Ok(PolicyFindings { items, truncated })
    }

    /// Returns the violations in the namespace of a tenant, and `true` if there are more.
    async fn violations(&self, target: &TenantTarget) -> Result<(Vec<Violation>, bool)> {
        let (mut violations, mut params) = (Vec::new(), ListParams::default().limit(PAGE_SIZE));
        for _ in 0..MAX_PAGES {
            let page =
                self.host.list_page(Kind::POLICY_REPORT, &target.name, &params, Content::Everything).await;
            let (reports, next) = page.map_err(|error| match error.kind() {
                ErrorKind::NotFound => {
                    Error::unsupported("the host does not serve PolicyReports").caused_by(error)
                }
                _ => error,
            })?;
            violations.extend(reports.iter().flat_map(violations_of));
            if violations.len() > MAX_VIOLATIONS {
                violations.truncate(MAX_VIOLATIONS);
                return Ok((violations, true));
            }
            match next {
                Some(token) => params = params.continue_token(&token),
                None => return Ok((violations, false)),
            }
        }
        Ok((violations, true))
    }

    /// Adds the objects of a kind that the tenant synced to the host and that reports name. Returns `true` if not all were
    /// read.
    async fn add_synced_objects(
        &self,
        target: &TenantTarget,
        kind: Kind,
        reported: &BTreeSet<HostObject>,
        objects: &mut BTreeMap<HostObject, SyncedObject>,
    ) -> Result<bool> {
        let selector = format!("{SYNCED_BY}={}", target.name);
        let mut params = ListParams::default().labels(&selector).limit(PAGE_SIZE);
        for _ in 0..MAX_PAGES {
            let (page, next) = self.host.list_page(kind, &target.name, &params, Content::Metadata).await?;
            let named = page.iter().map(|object| ((kind, text(object, "/metadata/name").to_owned()), object));
            let synced = named.filter(|(key, _)| reported.contains(key));
            objects.extend(
                synced.filter_map(|(key, object)| Some((key, SyncedObject::of(object, &target.name)?))),
            );
            match next {
                Some(token) => params = params.continue_token(&token),
                None => return Ok(false),
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::render::host::possible_syncer_rules;

    const TENANT: &str = "ws-01h455vb4pex5vsknk084sn02q";

    fn pod(labels: &Value, annotations: &Value) -> Value {
        json!({ "metadata": { "name": "host-name", "uid": "u1", "labels": labels, "annotations": annotations } })
    }

    fn synced_pod() -> Value {
        pod(&json!({ SYNCED_BY: TENANT, SYNCED_FROM: "shop" }), &json!({ SYNCED_NAME: "web-0" }))
    }

    fn report(kind: &str, uid: &str) -> Value {
        let result = |result: &str| {
            json!({
                "policy": "images", "rule": "registry", "result": result,
                "message": format!("pod {TENANT}/host-name uses another registry"), "timestamp": { "seconds": 1_767_225_600 },
            })
        };
        json!({
            "scope": { "apiVersion": "v1", "kind": kind, "name": "host-name", "namespace": TENANT, "uid": uid },
            "results": [result("fail"), result("pass"), result("skip"), result("warn"), { "result": 7 }],
        })
    }

    fn findings(report: &Value, object: &Value) -> Vec<PolicyFinding> {
        let synced = SyncedObject::of(object, TENANT);
        let objects =
            synced.map(|synced| ((Kind::POD, "host-name".to_owned()), synced)).into_iter().collect();
        violations_of(report).filter_map(|violation| finding(violation, &objects, TENANT)).collect()
    }

    #[test]
    fn violations_have_the_names_of_the_tenant_cluster() {
        let found = findings(&report("Pod", "u1"), &synced_pod());
        let results: Vec<_> = found.iter().map(|finding| finding.result).collect();
        assert_eq!(results, [PolicyResult::Fail, PolicyResult::Warn]);
        assert_eq!((found[0].namespace.as_str(), found[0].name.as_str()), ("shop", "web-0"));
        assert_eq!(found[0].message, "pod shop/web-0 uses another registry", "without names of the host");
        assert_eq!(found[0].evaluated_at.unwrap().as_second(), 1_767_225_600);
        // Older reports name the objects in each result.
        let mut older = report("Namespace", "u0");
        older["results"][0]["resources"] = json!([{ "kind": "Pod", "name": "host-name" }]);
        assert_eq!(findings(&older, &synced_pod()).len(), 1);
        assert_eq!(findings(&json!({ "results": "none" }), &synced_pod()), []);
    }

    #[test]
    fn only_objects_that_the_syncer_of_the_tenant_wrote_are_its_own() {
        let name = json!({ SYNCED_NAME: "web-0" });
        let foreign = [
            pod(&json!({ "app": "vcluster" }), &name),
            pod(&json!({ SYNCED_BY: "ws-other", SYNCED_FROM: "shop" }), &name),
            pod(&json!({ SYNCED_BY: TENANT }), &name),
            pod(&json!({ SYNCED_BY: TENANT, SYNCED_FROM: "shop" }), &json!({})),
            pod(&json!({ SYNCED_BY: 1, SYNCED_FROM: {} }), &name),
            json!({}),
        ];
        for object in foreign {
            assert_eq!(findings(&report("Pod", "u1"), &object), [], "{object}");
        }
        for other in [report("Pod", "u2"), report("Service", "u1"), report("StatefulSet", "u1")] {
            assert_eq!(findings(&other, &synced_pod()), [], "another object: {other}");
        }
    }

    #[test]
    fn reported_kinds_are_those_that_the_syncer_creates_and_hexabase_may_list() {
        for kind in REPORTED_KINDS {
            let mut rules = possible_syncer_rules();
            let created = |(group, resource, verbs): (&str, &str, &[&str])| {
                group == kind.group && resource == kind.plural && verbs.contains(&"create")
            };
            assert!(rules.any(created), "{kind:?}");
            let lists = |(group, resource, verbs): (&str, &str, &[&str])| {
                group == kind.group && resource == kind.plural && verbs.contains(&"list")
            };
            assert!(possible_syncer_rules().any(lists), "{kind:?}");
        }
    }
}
