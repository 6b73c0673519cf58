//! Fields with a fixed set of values or a fixed form. Each type is both the JSON form and the schema in the OpenAPI
//! document, and derives its values from the domain type, so the two cannot differ.

use std::collections::BTreeMap;

use hexabase_core::id::TypedId;
use hexabase_core::quota::{Quota, Resource};
use hexabase_core::{alerts, billing, changeset, id, metrics, model};
use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::OneOf;
use utoipa::openapi::schema::{AdditionalProperties, Schema, SchemaType, Type};
use utoipa::openapi::{Object, ObjectBuilder, Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};

/// Returns the schema of a text, with a doc comment as its description.
fn text(doc: &[&str]) -> ObjectBuilder {
    let description = doc.iter().map(|line| line.trim()).collect::<Vec<_>>().join("\n");
    Object::builder().schema_type(SchemaType::Type(Type::String)).description(Some(description))
}

/// Declares the JSON forms of domain enums.
macro_rules! enums {
    ($($(#[doc = $doc:literal])+ $name:ident($domain:ty);)+) => {$(
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
        #[serde(transparent)]
        pub(crate) struct $name($domain);

        impl From<$domain> for $name {
            fn from(value: $domain) -> Self {
                Self(value)
            }
        }

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let values = <$domain>::ALL.iter().map(|value| value.as_str());
                text(&[$($doc),+]).enum_values(Some(values)).into()
            }
        }

        impl ToSchema for $name {}
    )+

        #[cfg(test)]
        fn values_and_json_forms() -> Vec<(RefOr<Schema>, serde_json::Value)> {
            vec![$((
                $name::schema(),
                <$domain>::ALL.iter().map(|value| serde_json::to_value($name(*value)).unwrap()).collect(),
            )),+]
        }
    };
}

enums! {
    /// Role of a member in an organization.
    OrganizationRole(model::OrganizationRole);
    /// Kind of a user: a person who signs in, or a service account for automation.
    UserKind(model::UserKind);
    /// Phase in the lifecycle of a workspace.
    WorkspacePhase(model::Phase);
    /// Status of a condition, as in the Kubernetes API.
    ConditionStatus(model::ConditionStatus);
    /// Damage that a tenant could cause if an isolation check fails.
    IsolationSeverity(model::Severity);
    /// Result of a policy for an object. `error`: the policy could not be evaluated.
    PolicyResult(model::PolicyResult);
    /// Operation that a task carries out.
    TaskKind(model::TaskKind);
    /// State of a task. `superseded`: the task ended because a later operation took its place.
    TaskState(model::TaskState);
    /// State of a step of a task.
    TaskStepState(model::StepState);
    /// Location of an object: the host cluster, or the tenant cluster.
    DriftScope(model::DriftScope);
    /// Group that every workspace starts with.
    GroupPreset(model::GroupPreset);
    /// Name of a preset role and of its ClusterRole.
    PresetRoleName(model::PresetRole);
    /// Isolation level of pods, by the Pod Security Standards.
    PodIsolation(model::Isolation);
    /// Billing interval.
    BillingInterval(model::Interval);
    /// State of a paid subscription at the payment provider.
    SubscriptionState(model::SubscriptionState);
    /// Status of an invoice at the payment provider.
    InvoiceStatus(billing::InvoiceStatus);
    /// Kind of usage that is measured.
    Meter(model::Meter);
    /// Scope that restricts the use of an API token. A write scope includes the read scope; `all` includes every scope.
    ApiTokenScope(model::Scope);
    /// Kind of a security event of a user account.
    SecurityEventKind(model::SecurityEventKind);
    /// Health of a registered host cluster. `unknown`: no worker has sent a request to the host cluster yet. New
    /// workspaces are not placed on an `unreachable` host cluster.
    HostClusterHealth(model::HostState);
    /// Signature algorithm of a key.
    SignatureAlgorithm(model::SignatureAlgorithm);
    /// Metric of a workspace. Units: `cpu` in cores; `memory`, `storage` and `storage_used` in bytes;
    /// `network_receive` and `network_transmit` in bytes per second; `pods` in running pods; `restarts` in restarts of
    /// containers, within an hour for alert rules; `throttling` as the share of scheduling periods, 0 to 1; `api_requests` per second.
    MetricName(metrics::Metric);
    /// Unit of the values of a metric.
    MetricUnit(metrics::Unit);
    /// Side of the limit on which an alert rule fires.
    AlertComparison(model::Comparison);
    /// Time for which the comparison of an alert rule must hold before the rule fires.
    AlertDuration(model::AlertDuration);
    /// Severity of an alert.
    AlertSeverity(model::AlertSeverity);
    /// Purpose of a message: the reconcile of a workspace or billing account, an isolation check, or a mail.
    MessageTopic(changeset::Topic);
}

/// Unit of a meter. A GiB is 2^30 bytes.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(transparent)]
pub(crate) struct MeterUnit(&'static str);

impl From<model::Meter> for MeterUnit {
    fn from(meter: model::Meter) -> Self {
        Self(meter.unit())
    }
}

impl PartialSchema for MeterUnit {
    fn schema() -> RefOr<Schema> {
        let mut units: Vec<&str> = model::Meter::ALL.iter().map(|meter| meter.unit()).collect();
        units.dedup();
        text(&["Unit of a meter. A GiB is 2^30 bytes."]).enum_values(Some(units)).into()
    }
}

impl ToSchema for MeterUnit {}

/// Declares the JSON forms of identifiers.
macro_rules! ids {
    ($($(#[doc = $doc:literal])+ $name:ident;)+) => {$(
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
        #[serde(transparent)]
        pub(crate) struct $name(id::$name);

        impl From<id::$name> for $name {
            fn from(id: id::$name) -> Self {
                Self(id)
            }
        }

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let prefix = id::$name::PREFIX;
                text(&[$($doc),+])
                    .pattern(Some(format!("^{prefix}_[0-7][0-9a-hjkmnp-tv-z]{{25}}$")))
                    .examples([format!("{prefix}_01h455vb4pex5vsknk084sn02q")])
                    .into()
            }
        }

        impl ToSchema for $name {}
    )+};
}

ids! {
    /// Id of an organization.
    OrganizationId;
    /// Id of a user, who is a person or a service account.
    UserId;
    /// Id of an invitation.
    InvitationId;
    /// Id of a workspace.
    WorkspaceId;
    /// Id of a task.
    TaskId;
    /// Id of a node pool.
    NodePoolId;
    /// Id of an alert rule.
    AlertRuleId;
    /// Id of a project.
    ProjectId;
    /// Id of a group.
    GroupId;
    /// Id of a custom role.
    RoleId;
    /// Id of a role assignment.
    AssignmentId;
    /// Id of a session.
    SessionId;
    /// Id of an API token.
    TokenId;
    /// Id of an event, or of an entry of the audit log.
    EventId;
    /// Id of a message in the task queue.
    MessageId;
}

/// Name of a preset role, or id of a custom role.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(transparent)]
pub(crate) struct RoleReference(model::RoleRef);

impl From<model::RoleRef> for RoleReference {
    fn from(role: model::RoleRef) -> Self {
        Self(role)
    }
}

impl PartialSchema for RoleReference {
    fn schema() -> RefOr<Schema> {
        OneOf::builder()
            .item(Ref::from_schema_name(PresetRoleName::name()))
            .item(Ref::from_schema_name(RoleId::name()))
            .description(Some("Name of a preset role, or id of a custom role."))
            .into()
    }
}

impl ToSchema for RoleReference {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((PresetRoleName::name().into_owned(), PresetRoleName::schema()));
        schemas.push((RoleId::name().into_owned(), RoleId::schema()));
    }
}

/// Id of a silence: a UUID.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(transparent)]
pub(crate) struct SilenceId(alerts::SilenceId);

impl From<alerts::SilenceId> for SilenceId {
    fn from(id: alerts::SilenceId) -> Self {
        Self(id)
    }
}

impl PartialSchema for SilenceId {
    fn schema() -> RefOr<Schema> {
        text(&["Id of a silence: a UUID."])
            .pattern(Some("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"))
            .examples(["0f9b1c7e-8a3d-4f5e-9b1c-7e8a3d4f5e9b"])
            .into()
    }
}

impl ToSchema for SilenceId {}

/// Name of a host cluster: a DNS label.
pub(crate) struct HostClusterName;

impl PartialSchema for HostClusterName {
    fn schema() -> RefOr<Schema> {
        text(&["Name of a host cluster: a DNS label."])
            .pattern(Some("^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))
            .max_length(Some(63))
            .examples(["fra-1"])
            .into()
    }
}

impl ToSchema for HostClusterName {}

/// Amount of a resource, as a Kubernetes quantity.
pub(crate) struct Quantity;

impl PartialSchema for Quantity {
    fn schema() -> RefOr<Schema> {
        text(&["Amount of a resource, as a Kubernetes quantity."])
            .pattern(Some(r"^\+?([0-9]+(\.[0-9]*)?|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?$"))
            .examples(["500m", "4Gi"])
            .into()
    }
}

impl ToSchema for Quantity {}

/// Amounts by resource. In a limit, a resource without an amount is not limited; in usage, it is unused.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ResourceAmounts(BTreeMap<String, String>);

impl ResourceAmounts {
    /// Returns the amounts by the name of the resource.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(resource, amount)| (resource.as_str(), amount.as_str()))
    }
}

impl From<BTreeMap<String, String>> for ResourceAmounts {
    fn from(amounts: BTreeMap<String, String>) -> Self {
        Self(amounts)
    }
}

impl From<&Quota> for ResourceAmounts {
    fn from(quota: &Quota) -> Self {
        Self(quota.iter().map(|(resource, amount)| (resource.to_string(), amount.to_string())).collect())
    }
}

impl PartialSchema for ResourceAmounts {
    fn schema() -> RefOr<Schema> {
        let amount = || Ref::from_schema_name(Quantity::name());
        let description = "Amounts by resource. In a limit, a resource without an amount is not limited; in usage, \
                           it is unused.";
        let object = Object::builder().schema_type(SchemaType::Type(Type::Object));
        let object = object.description(Some(description));
        let object = Resource::ALL
            .iter()
            .fold(object, |object, resource| object.property(resource.as_str(), amount()));
        object.additional_properties(Some(AdditionalProperties::from(amount()))).into()
    }
}

impl ToSchema for ResourceAmounts {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((Quantity::name().into_owned(), Quantity::schema()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_of_a_domain_enum_serializes_to_the_value_in_its_schema() {
        for (schema, forms) in values_and_json_forms() {
            let schema = serde_json::to_value(schema).unwrap();
            assert_eq!(schema["type"], "string");
            assert_eq!(schema["enum"], forms);
        }
    }

    #[test]
    fn units_of_meters_are_listed_once() {
        let schema = serde_json::to_value(MeterUnit::schema()).unwrap();
        assert_eq!(
            schema["enum"],
            serde_json::json!(["core_hours", "gib_hours", "gib", "thousand_requests"])
        );
    }
}
