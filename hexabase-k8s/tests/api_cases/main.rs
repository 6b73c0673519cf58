//! One table of cases for the Kubernetes API, run on the sandbox and on a real API server, so that they cannot
//! drift apart. Each case gets a namespace of its own.
//!
//! The sandbox's run always; the real ones with `HEXABASE_TEST_KUBECONFIG` and `--run-ignored`.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod apply;
mod guard;
mod lifecycle;
mod lists;
mod reviews;
mod writes;

use std::time::Duration;

use hexabase_k8s::sandbox::{Sandbox, User};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::api::{DeleteParams, ObjectMeta, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};

/// Where a case takes place.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) client: Client,
    /// The same as a user called `somebody`.
    somebody: Client,
    pub(crate) namespace: String,
}

impl Place {
    /// A fresh namespace.
    async fn make([client, somebody]: [Client; 2], case: &str) -> Self {
        let name = format!("case-{}", case.replace('_', "-"));
        let name = format!("{:.40}-{}", name, std::process::id());
        let namespaces: Api<Namespace> = Api::all(client.clone());
        let metadata = ObjectMeta { name: Some(name.clone()), ..Default::default() };
        namespaces
            .create(&PostParams::default(), &Namespace { metadata, ..Default::default() })
            .await
            .unwrap();
        Self { client, somebody, namespace: name }
    }

    /// The same place for a user called `somebody`, who may do nothing unless the case lets them.
    pub(crate) fn as_somebody(&self) -> Self {
        Self { client: self.somebody.clone(), ..self.clone() }
    }

    /// Lets the user called `somebody` do something in the case's namespace.
    pub(crate) async fn empower_somebody(&self, rules: Value) {
        const RBAC: &str = "rbac.authorization.k8s.io";
        let made = async |plural: &str, mut body: Value| {
            body["apiVersion"] = json!(format!("{RBAC}/v1"));
            body["metadata"] = json!({ "name": "somebody" });
            let path = format!("/apis/{RBAC}/v1/namespaces/{}/{plural}", self.namespace);
            let (code, answer) = self.send("POST", &path, "application/json", body).await;
            assert_eq!(code, 201, "{answer}");
        };
        made("roles", json!({ "kind": "Role", "rules": rules })).await;
        let binding = json!({
            "kind": "RoleBinding",
            "roleRef": { "apiGroup": RBAC, "kind": "Role", "name": "somebody" },
            "subjects": [{ "apiGroup": RBAC, "kind": "User", "name": "somebody" }],
        });
        made("rolebindings", binding).await;
    }

    async fn clean_up(self) {
        let namespaces: Api<Namespace> = Api::all(self.client);
        namespaces.delete(&self.namespace, &DeleteParams::default()).await.unwrap();
    }

    pub(crate) fn config_maps(&self) -> Api<ConfigMap> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Sends a request as it is, and answers the status code and the body.
    pub(crate) async fn send(&self, method: &str, path: &str, media_type: &str, body: Value) -> (u16, Value) {
        let request = http::Request::builder().method(method).uri(path).header("content-type", media_type);
        let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let request = request.body(kube::client::Body::from(bytes)).unwrap();
        let response = self.client.send(request).await.unwrap();
        let code = response.status().as_u16();
        let bytes = http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
        (code, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    pub(crate) fn path(&self, plural: &str, name: &str) -> String {
        format!("/api/v1/namespaces/{}/{plural}/{name}", self.namespace)
    }

    /// Applies an object as a manager.
    pub(crate) async fn apply(
        &self,
        plural: &str,
        name: &str,
        manager: &str,
        more: &str,
        body: Value,
    ) -> (u16, Value) {
        let path = format!("{}?fieldManager={manager}{more}", self.path(plural, name));
        self.send("PATCH", &path, "application/apply-patch+yaml", body).await
    }
}

pub(crate) fn config_map(name: &str, data: Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name }, "data": data })
}

/// Waits until a condition holds, for at most half a minute.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, condition: impl Fn() -> F) {
    for _ in 0..600 {
        if condition().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{what} never came true");
}

/// The sandbox, and clients of an administrator and of somebody.
async fn sandbox() -> (Sandbox, [Client; 2]) {
    let sandbox = Sandbox::start(Default::default());
    let somebody = sandbox.host().with_user(User::authenticated("somebody".to_owned(), Vec::new()));
    let clients = [sandbox.host_client(), Client::new(somebody, "default")];
    (sandbox, clients)
}

/// Clients of the real one: of an administrator, and of somebody whom the administrator impersonates.
async fn real() -> [Client; 2] {
    let file =
        std::env::var("HEXABASE_TEST_KUBECONFIG").expect("HEXABASE_TEST_KUBECONFIG names a kubeconfig");
    let kubeconfig = kube::config::Kubeconfig::read_from(file).unwrap();
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &Default::default()).await.unwrap();
    let mut somebody = config.clone();
    somebody.auth_info.impersonate = Some("somebody".to_owned());
    [config, somebody].map(|config| Client::try_from(config).unwrap())
}

macro_rules! cases {
    ($($module:ident: [$($case:ident),+ $(,)?]),+ $(,)?) => {
        mod on_the_sandbox {
            $($(
                #[tokio::test]
                async fn $case() {
                    let (_sandbox, clients) = super::sandbox().await;
                    let place = super::Place::make(clients, stringify!($case)).await;
                    super::$module::$case(&place).await;
                    place.clean_up().await;
                }
            )+)+
        }

        mod on_a_real_api_server {
            $($(
                #[tokio::test]
                #[ignore = "needs a cluster: HEXABASE_TEST_KUBECONFIG"]
                async fn $case() {
                    let place = super::Place::make(super::real().await, stringify!($case)).await;
                    super::$module::$case(&place).await;
                    place.clean_up().await;
                }
            )+)+
        }
    };
}

cases! {
    apply: [
        applying_twice_changes_nothing,
        a_field_that_is_no_longer_applied_is_removed,
        a_field_of_two_managers_stays_until_both_let_go,
        a_conflict_is_refused_and_can_be_forced,
        lists_with_keys_are_merged_entry_by_entry,
        lists_without_keys_are_replaced,
        what_was_updated_belongs_to_whoever_updated_it,
        applying_needs_a_manager_and_no_managed_fields,
        a_wrong_type_or_unknown_field_is_refused,
        applying_what_is_missing_takes_the_right_to_create_it,
    ],
    writes: [
        creating_fills_in_what_the_server_knows,
        creating_twice_is_refused,
        names_are_generated,
        a_dry_run_changes_nothing,
        a_stale_version_is_refused,
        merge_json_and_strategic_patches,
        status_is_written_apart,
        generations_follow_the_spec,
        what_is_immutable_stays,
        bad_names_and_labels_are_refused,
        string_data_of_secrets_is_encoded,
        an_unchanged_object_keeps_its_version,
    ],
    lists: [
        label_selectors_select,
        field_selectors_select,
        a_selector_that_makes_no_sense_is_refused,
        pages_follow_each_other,
        a_watch_tells_what_changes_after_a_version,
        a_watch_with_a_selector_sees_objects_enter_and_leave,
        metadata_can_be_had_alone,
        discovery_names_the_kinds,
    ],
    lifecycle: [
        a_finalizer_holds_an_object_until_it_is_gone,
        what_is_owned_goes_with_its_owner,
        what_is_orphaned_stays,
        a_precondition_protects_from_deleting_another_object,
        a_collection_is_deleted_by_label,
        a_namespace_takes_everything_with_it,
        nothing_is_made_in_a_namespace_that_is_going,
        every_namespace_has_its_service_account,
        a_quota_refuses_what_goes_beyond_it,
        a_limit_range_fills_in_what_containers_do_not_say,
        custom_kinds_come_with_their_definition,
    ],
    guard: [nobody_else_touches_what_is_ours],
    reviews: [
        access_is_what_roles_and_bindings_say,
        whoever_may_bind_a_role_need_not_have_its_rights,
        who_am_i,
    ],
}
