//! Admission policy for the StatefulSets of control planes: a control plane only restarts itself.
//!
//! The controller of the host creates the pods of a StatefulSet, so the policies for pods of tenants do not apply to
//! them. vCluster restarts the control plane and its etcd after a rotation of certificates, by an annotation of the pod
//! template; everything else is for Hexabase.

use serde_json::json;

use super::{AdmissionPolicy, rule, variables};

/// Annotation of the pod template with the time of the last rotation of certificates.
const ROTATION: &str = "vcluster.loft.sh/cert-rotation-at";

/// Fields that a control plane must not change: all that can change, except the annotations of the pod template.
const UNCHANGED: [&str; 18] = [
    "metadata.annotations",
    "metadata.finalizers",
    "metadata.labels",
    "metadata.ownerReferences",
    "spec.minReadySeconds",
    "spec.ordinals",
    "spec.persistentVolumeClaimRetentionPolicy",
    "spec.podManagementPolicy",
    "spec.replicas",
    "spec.revisionHistoryLimit",
    "spec.selector",
    "spec.serviceName",
    "spec.template.metadata.finalizers",
    "spec.template.metadata.labels",
    "spec.template.metadata.ownerReferences",
    "spec.template.spec",
    "spec.updateStrategy",
    "spec.volumeClaimTemplates",
];

pub(super) fn policy() -> AdmissionPolicy {
    let unchanged = UNCHANGED.map(|field| {
        let (now, before) = (format!("object.{field}"), format!("oldObject.{field}"));
        format!("has({now}) == has({before}) && (!has({now}) || {now} == {before})")
    });
    let annotations = |object: &str| format!("{object}.spec.template.metadata.annotations");
    let (now, before) = (annotations("object"), annotations("oldObject"));
    let differing = |this: &str, other: &str| {
        format!(
            "(has({this}) ? {this}.map(key, key).filter(key, !has({other}) || !(key in {other}) || \
             {other}[key] != {this}[key]) : [])"
        )
    };
    let changed =
        format!("oldObject == null ? [] : {} + {}", differing(&now, &before), differing(&before, &now));
    AdmissionPolicy {
        name: "hexabase-tenants-stateful-sets",
        group: "apps",
        resources: &["statefulsets"],
        variables: variables([("changed", changed)]),
        validations: json!([
            rule(
                &format!("oldObject != null && {}", unchanged.join(" && ")),
                "the control plane may change nothing of its StatefulSets but the time of the last rotation of certificates",
            ),
            rule(
                &format!(
                    "variables.changed.all(key, key == '{ROTATION}' && has({now}) && key in {now} && \
                     {now}[key].matches('^[0-9TZ:.+-]{{1,40}}$'))"
                ),
                &format!("the control plane may set no annotation of its pods but {ROTATION}, to a time"),
            ),
        ]),
    }
}
