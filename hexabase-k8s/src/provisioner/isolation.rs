//! Isolation self-check: sends the attempts of the checks, and collects their results.
//!
//! Attempts on the host are dry runs and access reviews as the ServiceAccount of the tenant's control plane, which
//! Hexabase impersonates: nothing is changed, and no token of the tenant exists outside of its namespace.

use futures_util::StreamExt as _;
use futures_util::future::join;
use futures_util::stream;
use hexabase_core::desired::{TenantCluster, TenantTarget};
use hexabase_core::error::{Error, Result};
use hexabase_core::id::TypedId as _;
use hexabase_core::model::{ConditionStatus, IsolationResult, PresetRole, Severity};
use serde_json::{Value, json};

use super::{Namespace, VClusterProvisioner, text};
use crate::api_server::{ApiServer, DryRun};
use crate::isolation::{self, Access, Attempt, Check, HostContext, Response};
use crate::object::Kind;
use crate::render::tenant_admission_policy;

/// Maximum number of concurrent attempts of one self-check.
const ATTEMPT_CONCURRENCY: usize = 8;
/// Maximum number of other tenants whose namespaces a self-check tries to reach.
const MAX_OTHER_TENANTS: u32 = 3;
/// Signed-in user without any role.
const UNASSIGNED_USER: &str = "hexabase:isolation-check";

impl VClusterProvisioner {
    pub(super) async fn check_isolation_of(&self, desired: &TenantCluster) -> Result<Vec<IsolationResult>> {
        let target = &desired.target;
        if self.namespace(target).await? != Namespace::Owned {
            return Err(Error::not_found("cluster").with("cluster", &target.name));
        }
        let context = HostContext {
            cluster: desired,
            config: &self.config,
            other_tenants: self.other_tenants(target).await,
        };
        let (host, tenant) = join(self.check_host(&context), self.check_tenant(target)).await;
        Ok(host.into_iter().chain(tenant).collect())
    }

    /// Returns the namespaces of some other tenants; none if Hexabase may not list namespaces, which is optional.
    async fn other_tenants(&self, target: &TenantTarget) -> Vec<String> {
        let own = target.workspace_id.kubernetes_name();
        let selector = format!("{0},{0}!={own}", self.config.labels.workspace());
        match self.host.sample(Kind::NAMESPACE, &selector, MAX_OTHER_TENANTS).await {
            Ok(namespaces) => {
                namespaces.iter().map(|namespace| text(namespace, "/metadata/name").to_owned()).collect()
            }
            Err(error) => {
                tracing::debug!(%error, cluster = %target.name, "listing namespaces of other tenants failed; check continues without");
                Vec::new()
            }
        }
    }

    async fn check_host(&self, context: &HostContext<'_>) -> Vec<IsolationResult> {
        let identity = self.check_identity(context).await;
        let control = isolation::controls(context);
        let control = isolation::evaluate_control(&control, &self.attempt_all(context, &control).await);
        let controlled = [&identity, &control].iter().all(|result| result.status == ConditionStatus::True);
        let mut results = vec![self.check_host_setup().await, identity, control];
        for check in isolation::checks(context) {
            let responses = self.attempt_all(context, &check).await;
            results.push(isolation::evaluate(&check, &responses, &context.user(), controlled));
        }
        results.extend(self.check_network(&context.cluster.target).await);
        results
    }

    /// Checks that attempts are processed as those of the control plane, not as those of Hexabase.
    async fn check_identity(&self, context: &HostContext<'_>) -> IsolationResult {
        let check = Check {
            kind: "ActsAsControlPlane",
            title: "Act as the tenant's control plane, a precondition of all other attempts",
            severity: Severity::Medium,
            attempts: Vec::new(),
            barriers: &[],
            remedy: "apply the output of `hexabase host-setup` of this release to the host again, which allows Hexabase \
                     to impersonate ServiceAccounts of tenants",
        };
        let user = context.user();
        let review = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview" });
        let response =
            self.host.create_as(Some(&user), Kind::SELF_SUBJECT_REVIEW, "", &review, DryRun::No).await;
        let failure = match response {
            Ok((200..300, review)) => match text(&review, "/status/userInfo/username") {
                name if name == user => None,
                name => Some(format!("the API server processes attempts as {name}")),
            },
            Ok((code, status)) => Some(format!("{code} {}", text(&status, "/message"))),
            Err(error) => Some(error.to_string()),
        };
        match failure {
            None => check.result(
                ConditionStatus::True,
                "Impersonated",
                format!("attempts are those of {user}"),
                "",
            ),
            Some(failure) => check.result(ConditionStatus::False, "NotImpersonated", failure, check.remedy),
        }
    }

    async fn check_host_setup(&self) -> IsolationResult {
        let check = Check {
            kind: "HostSetupApplied",
            title: "Run on a host without the admission policies of this release",
            severity: Severity::Critical,
            attempts: Vec::new(),
            barriers: &[],
            remedy: "apply the output of `hexabase host-setup` of this release to the host",
        };
        let (status, reason, message) = match self.applied_setup_problem().await {
            Ok(None) => {
                let message = "the host setup of this release, or of a newer one, is applied";
                (ConditionStatus::True, "Applied", message.to_owned())
            }
            Ok(Some(problem)) => (ConditionStatus::False, "NotApplied", problem.to_string()),
            Err(error) => (ConditionStatus::Unknown, "NoResponse", error.to_string()),
        };
        let remedy = if status == ConditionStatus::True { "" } else { check.remedy };
        check.result(status, reason, message, remedy)
    }

    async fn check_network(&self, target: &TenantTarget) -> [IsolationResult; 2] {
        match self.host.list(Kind::NETWORK_POLICY, Some(&target.name), "").await {
            Ok(policies) => [isolation::default_deny(&policies), isolation::metadata_addresses(&policies)],
            Err(error) => {
                let cause = error.to_string();
                [isolation::DEFAULT_DENY, isolation::METADATA_ADDRESSES]
                    .map(|identity| isolation::unread(identity, &cause))
            }
        }
    }

    /// Sends the attempts of a check as the control plane. The responses are in the order of the attempts.
    async fn attempt_all(&self, context: &HostContext<'_>, check: &Check) -> Vec<Response> {
        let user = context.user();
        let namespace = &context.cluster.target.name;
        let attempts: Vec<_> =
            check.attempts.iter().map(|attempt| self.attempt(&user, namespace, attempt)).collect();
        stream::iter(attempts).buffered(ATTEMPT_CONCURRENCY).collect().await
    }

    async fn attempt(&self, user: &str, namespace: &str, attempt: &Attempt) -> Response {
        match attempt {
            Attempt::Create(kind, object) => {
                written(self.host.create_as(Some(user), *kind, namespace, object, DryRun::Yes).await)
            }
            Attempt::Patch(kind, name, patch) => {
                written(self.host.dry_run_merge_as(user, *kind, namespace, name, patch).await)
            }
            Attempt::Review(access) => {
                let review =
                    review("SelfSubjectAccessReview", json!({ "resourceAttributes": access.attributes() }));
                let kind = Kind::SELF_SUBJECT_ACCESS_REVIEW;
                reviewed(self.host.create_as(Some(user), kind, "", &review, DryRun::No).await)
            }
        }
    }

    async fn check_tenant(&self, target: &TenantTarget) -> Vec<IsolationResult> {
        let unreachable = |cause: &str| {
            let user = isolation::unassigned_user();
            let identities = [isolation::MANAGED_OBJECTS, (user.kind, user.title, user.severity)];
            let presets = PresetRole::ALL.iter().map(|preset| isolation::preset_identity(*preset));
            presets.chain(identities).map(|identity| isolation::unread(identity, cause)).collect()
        };
        let api = match self.connect(target).await {
            Ok(Some(client)) if !self.cache.is_unresponsive(&target.name) => client.api,
            Ok(_) => return unreachable("the tenant API server does not run"),
            Err(error) => return unreachable(&error.to_string()),
        };
        match self.check_tenant_api(&api).await {
            Ok(results) => results,
            Err(error) => unreachable(&error.to_string()),
        }
    }

    async fn check_tenant_api(&self, api: &ApiServer) -> Result<Vec<IsolationResult>> {
        let mut results = Vec::new();
        for preset in PresetRole::ALL {
            let role = api.find(Kind::CLUSTER_ROLE, "", preset.as_str()).await?;
            results.push(isolation::preset_role(*preset, role.as_ref()));
        }
        let [policy, binding] = tenant_admission_policy(&self.config);
        let policy = api.find(policy.kind, "", &policy.name).await?;
        let binding = api.find(binding.kind, "", &binding.name).await?;
        results.push(isolation::admission_policy(policy.as_ref(), binding.as_ref(), &self.config));
        let check = isolation::unassigned_user();
        let control = review_user(api, "system:masters", &Access::control()).await == Response::Admitted;
        let mut reviews = Vec::new();
        for attempt in &check.attempts {
            if let Attempt::Review(access) = attempt {
                reviews.push(review_user(api, "system:authenticated", access));
            }
        }
        let responses: Vec<Response> = stream::iter(reviews).buffered(ATTEMPT_CONCURRENCY).collect().await;
        results.push(isolation::evaluate(&check, &responses, UNASSIGNED_USER, control));
        Ok(results)
    }
}

/// Reviews the access of a user whose only group this is.
async fn review_user(api: &ApiServer, group: &str, access: &Access) -> Response {
    let spec =
        json!({ "user": UNASSIGNED_USER, "groups": [group], "resourceAttributes": access.attributes() });
    let review = review("SubjectAccessReview", spec);
    reviewed(api.create_as(None, Kind::SUBJECT_ACCESS_REVIEW, "", &review, DryRun::No).await)
}

fn review(kind: &str, spec: Value) -> Value {
    json!({ "apiVersion": "authorization.k8s.io/v1", "kind": kind, "spec": spec })
}

/// Returns the response to a dry run.
fn written(response: Result<(u16, Value)>) -> Response {
    match response {
        Ok((200..300, _)) => Response::Admitted,
        Ok((code, status)) => Response::Rejected(code, text(&status, "/message").to_owned()),
        Err(error) => Response::None(error.to_string()),
    }
}

/// Returns the response to an access review.
fn reviewed(response: Result<(u16, Value)>) -> Response {
    match response {
        Ok((200..300, review)) => match review.pointer("/status/allowed").and_then(Value::as_bool) {
            Some(true) => Response::Admitted,
            Some(false) => Response::Denied,
            None => Response::None("the review has no result".to_owned()),
        },
        other => written(other),
    }
}
