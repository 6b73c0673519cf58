//! Test cases for the Kubernetes API, run on the sandbox and on a real API server, so that both behave alike. Each
//! case gets a namespace of its own.
//!
//! The cases on the sandbox always run; those on a real API server need `HEXABASE_TEST_KUBECONFIG` and
//! `--run-ignored`.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod admission;
mod admission_policy;
mod apply;
mod clients;
mod lifecycle;
mod lists;
mod quotas;
mod reviews;
mod writes;

use std::time::Duration;

use hexabase_k8s::sandbox::{Sandbox, User};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::api::{DeleteParams, ObjectMeta, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};

/// Environment of a test case: clients and a namespace.
#[derive(Clone)]
pub(crate) struct TestCase {
    pub(crate) client: Client,
    /// Client of the user `jane`.
    user_client: Client,
    pub(crate) namespace: String,
}

impl TestCase {
    /// Creates the namespace of a case.
    async fn create([client, user_client]: [Client; 2], case_name: &str) -> Self {
        let name = format!("case-{}", case_name.replace('_', "-"));
        let name = format!("{:.40}-{}", name, std::process::id());
        let namespaces: Api<Namespace> = Api::all(client.clone());
        let metadata = ObjectMeta { name: Some(name.clone()), ..Default::default() };
        namespaces
            .create(&PostParams::default(), &Namespace { metadata, ..Default::default() })
            .await
            .unwrap();
        Self { client, user_client, namespace: name }
    }

    /// Same environment for the user `jane`, who has no permissions except those that the case grants.
    pub(crate) fn as_user(&self) -> Self {
        Self { client: self.user_client.clone(), ..self.clone() }
    }

    /// Grants `jane` permissions in the namespace of the case.
    pub(crate) async fn grant_user(&self, rules: Value) {
        const RBAC: &str = "rbac.authorization.k8s.io";
        let create_rbac_object = async |plural: &str, mut body: Value| {
            body["apiVersion"] = json!(format!("{RBAC}/v1"));
            body["metadata"] = json!({ "name": "jane" });
            let path = format!("/apis/{RBAC}/v1/namespaces/{}/{plural}", self.namespace);
            let (code, response) = self.send("POST", &path, "application/json", body).await;
            assert_eq!(code, 201, "{response}");
        };
        create_rbac_object("roles", json!({ "kind": "Role", "rules": rules })).await;
        let binding = json!({
            "kind": "RoleBinding",
            "roleRef": { "apiGroup": RBAC, "kind": "Role", "name": "jane" },
            "subjects": [{ "apiGroup": RBAC, "kind": "User", "name": "jane" }],
        });
        create_rbac_object("rolebindings", binding).await;
    }

    async fn delete_namespace(self) {
        let namespaces: Api<Namespace> = Api::all(self.client);
        namespaces.delete(&self.namespace, &DeleteParams::default()).await.unwrap();
    }

    pub(crate) fn config_maps(&self) -> Api<ConfigMap> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Sends a request, and returns the status code and the body of the response.
    pub(crate) async fn send(&self, method: &str, path: &str, media_type: &str, body: Value) -> (u16, Value) {
        let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        self.send_with_headers(method, path, &[("content-type", media_type)], bytes).await
    }

    /// As [`Self::send`], with these headers and any body.
    pub(crate) async fn send_with_headers(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> (u16, Value) {
        let request = http::Request::builder().method(method).uri(path);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let request = request.body(kube::client::Body::from(body)).unwrap();
        let response = self.client.send(request).await.unwrap();
        let code = response.status().as_u16();
        let bytes = http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
        (code, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    pub(crate) fn path(&self, plural: &str, name: &str) -> String {
        format!("/api/v1/namespaces/{}/{plural}/{name}", self.namespace)
    }

    /// Applies an object as a field manager. `params` is appended to the query string.
    pub(crate) async fn apply(
        &self,
        plural: &str,
        name: &str,
        manager: &str,
        params: &str,
        body: Value,
    ) -> (u16, Value) {
        let path = format!("{}?fieldManager={manager}{params}", self.path(plural, name));
        self.send("PATCH", &path, "application/apply-patch+yaml", body).await
    }
}

pub(crate) fn config_map(name: &str, data: Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name }, "data": data })
}

/// Waits until a condition holds, for at most 30 seconds.
pub(crate) async fn eventually<F: Future<Output = bool>>(description: &str, condition: impl Fn() -> F) {
    for _ in 0..600 {
        if condition().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("timed out waiting until {description}");
}

/// Sandbox, and its clients for an administrator and for `jane`.
async fn sandbox() -> (Sandbox, [Client; 2]) {
    let sandbox = Sandbox::start(Default::default());
    let user_client = sandbox.host().with_user(User::authenticated("jane".to_owned(), Vec::new()));
    let clients = [sandbox.host_client(), Client::new(user_client, "default")];
    (sandbox, clients)
}

/// Clients of the real API server: for its administrator, and for `jane`, whom the administrator impersonates.
async fn real() -> [Client; 2] {
    let file =
        std::env::var("HEXABASE_TEST_KUBECONFIG").expect("HEXABASE_TEST_KUBECONFIG is set to a kubeconfig");
    let kubeconfig = kube::config::Kubeconfig::read_from(file).unwrap();
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &Default::default()).await.unwrap();
    let mut user_client = config.clone();
    user_client.auth_info.impersonate = Some("jane".to_owned());
    [config, user_client].map(|config| Client::try_from(config).unwrap())
}

macro_rules! cases {
    ($($module:ident: [$($case:ident),+ $(,)?]),+ $(,)?) => {
        mod on_the_sandbox {
            $($(
                #[tokio::test]
                async fn $case() {
                    let (_sandbox, clients) = super::sandbox().await;
                    let case = super::TestCase::create(clients, stringify!($case)).await;
                    super::$module::$case(&case).await;
                    case.delete_namespace().await;
                }
            )+)+
        }

        mod on_a_real_api_server {
            $($(
                #[tokio::test]
                #[ignore = "needs a cluster: HEXABASE_TEST_KUBECONFIG"]
                async fn $case() {
                    let case = super::TestCase::create(super::real().await, stringify!($case)).await;
                    super::$module::$case(&case).await;
                    case.delete_namespace().await;
                }
            )+)+
        }
    };
}

cases! {
    apply: [
        applying_twice_changes_nothing,
        a_field_that_is_no_longer_applied_is_removed,
        a_field_of_two_managers_stays_until_both_stop_applying_it,
        an_apply_conflict_is_rejected_unless_forced,
        lists_with_keys_are_merged_entry_by_entry,
        lists_without_keys_are_replaced,
        updated_fields_belong_to_the_updating_manager,
        apply_requires_a_field_manager_and_no_managed_fields,
        wrong_types_and_unknown_fields_are_rejected,
        applying_a_missing_object_requires_the_create_permission,
    ],
    writes: [
        create_sets_server_fields,
        creating_twice_is_rejected,
        names_are_generated,
        a_dry_run_changes_nothing,
        a_stale_resource_version_is_rejected,
        merge_json_and_strategic_patches_are_applied,
        status_is_written_only_by_its_subresource,
        the_generation_counts_changes_of_the_spec,
        immutable_fields_cannot_be_changed,
        invalid_names_and_labels_are_rejected,
        objects_of_another_shape_are_rejected,
        string_data_of_secrets_is_encoded,
        an_unchanged_object_keeps_its_resource_version,
    ],
    lists: [
        label_selectors_filter_lists,
        field_selectors_filter_lists,
        an_invalid_selector_is_rejected,
        lists_are_paged,
        a_watch_reports_changes_after_a_resource_version,
        a_watch_with_a_selector_reports_objects_that_enter_and_leave_it,
        metadata_only_requests_return_partial_objects,
        discovery_lists_the_kinds,
    ],
    lifecycle: [
        a_finalizer_delays_the_deletion_of_an_object,
        dependents_are_deleted_with_their_owner,
        orphaned_dependents_are_kept,
        a_uid_precondition_prevents_deleting_another_object,
        a_collection_is_deleted_by_label,
        deleting_a_namespace_deletes_its_contents,
        a_terminating_namespace_accepts_no_new_objects,
        every_namespace_has_a_default_service_account,
        a_quota_rejects_objects_beyond_its_limits,
        a_limit_range_sets_missing_requests_and_limits,
        custom_kinds_are_served_once_defined,
    ],
    quotas: [
        pods_that_fit_the_quota_of_a_project_are_admitted,
        pods_that_fit_the_plan_are_admitted_on_the_host,
        contradictory_requests_and_limits_are_rejected,
    ],
    clients: [
        impersonation_headers_are_honoured,
        impersonated_groups_require_a_user,
        built_in_kinds_are_accepted_as_protobuf,
        self_reviews_answer_for_paths_and_list_rules,
        documents_describe_the_parameters_of_patches,
        lists_are_rendered_as_tables,
        workloads_are_scaled,
        directives_of_strategic_merge_patches_are_followed,
        fields_move_between_managers_by_json_patch,
        tokens_of_service_accounts_are_requested_for_a_limited_time,
    ],
    admission: [
        an_impersonated_service_account_has_its_own_groups_and_permissions,
        pods_that_violate_the_pod_security_level_are_rejected,
    ],
    admission_policy: [tenants_cannot_change_managed_objects],
    reviews: [
        access_follows_roles_and_bindings,
        the_bind_verb_allows_binding_roles_with_further_permissions,
        self_reviews_return_the_users_identity_and_access,
    ],
}
