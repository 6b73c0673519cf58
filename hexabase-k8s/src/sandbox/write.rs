//! Creation, update and deletion of objects.

use std::collections::BTreeMap;

use hexabase_core::clock::{Clock as _, SystemClock};
use hexabase_core::id_source::{IdSource as _, IdSourceExt as _, SystemIds};
use serde_json::{Value, json};

use super::admission_policy::{AdmissionPolicy, is_policy};
use super::authorization::{Attributes, User};
use super::kinds::KindInfo;
use super::managers::{self, Manager};
use super::patch;
use super::path::Target;
use super::response::{StatusError, StatusResult};
use super::schema;
use super::selector::Selector;
use super::state::{Name, Resource, State, Stored, name_of};

/// Write request.
pub(super) struct WriteRequest<'a> {
    pub(super) kind: KindInfo,
    pub(super) target: Target,
    pub(super) params: &'a BTreeMap<String, String>,
    pub(super) user: &'a User,
    /// Name from the client's user agent; the field manager if the request names none.
    pub(super) agent: &'a str,
    /// Made by the sandbox itself, not by a client.
    pub(super) is_internal: bool,
}

impl WriteRequest<'_> {
    pub(super) fn resource(&self) -> Resource {
        (self.kind.group.clone(), self.kind.plural.clone())
    }

    pub(super) fn name(&self) -> Name {
        (self.target.namespace.clone(), self.target.name.clone().unwrap_or_default())
    }

    /// Attributes of a creation: applying a missing object requires the permission to create it, too.
    fn create_attributes(&self) -> Attributes {
        Attributes {
            verb: "create".to_owned(),
            group: self.kind.group.clone(),
            resource: self.kind.plural.clone(),
            name: self.target.name.clone().unwrap_or_default(),
            namespace: self.target.namespace.clone(),
        }
    }

    fn flag(&self, name: &str, value: &str) -> bool {
        self.params.get(name).is_some_and(|actual| actual == value)
    }

    fn is_dry_run(&self) -> bool {
        self.flag("dryRun", "All")
    }

    fn is_strict(&self) -> bool {
        self.flag("fieldValidation", "Strict")
    }

    fn manager(&self) -> &str {
        self.params.get("fieldManager").map_or(self.agent, String::as_str)
    }

    pub(super) fn subresource(&self) -> &str {
        self.target.subresource.as_deref().unwrap_or_default()
    }
}

fn now() -> String {
    SystemClock.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

impl State {
    pub(super) fn managers_of(&self, kind: &KindInfo, body: &Value) -> Vec<Manager> {
        let resource = (kind.group.clone(), kind.plural.clone());
        self.find(&resource, &name_of(body)).map(|stored| stored.managers.to_vec()).unwrap_or_default()
    }

    fn require_live(&self, request: &WriteRequest<'_>) -> StatusResult<Stored> {
        let name = request.name();
        let missing = || StatusError::not_found(&request.kind.qualified(), &name.1);
        self.find(&request.resource(), &name).cloned().ok_or_else(missing)
    }

    pub(super) fn create(&mut self, request: &WriteRequest<'_>, mut body: Value) -> StatusResult<Value> {
        check_target(request, &mut body)?;
        if body["metadata"]["name"].as_str().unwrap_or_default().is_empty() {
            let prefix = body["metadata"]["generateName"].as_str().unwrap_or_default();
            if prefix.is_empty() {
                return Err(StatusError::invalid(
                    &request.kind.kind,
                    "",
                    "metadata.name: Required value: name or generateName is required",
                ));
            }
            body["metadata"]["name"] = json!(format!("{prefix}{}", random_suffix()));
        }
        let time = now();
        let managers = |body: &Value| {
            managers::record_update(None, body, &[], request.manager(), request.subresource(), &time)
        };
        self.add(request, body, managers)
    }

    /// Adds an object whose kind and namespace match its URL.
    fn add(
        &mut self,
        request: &WriteRequest<'_>,
        mut body: Value,
        managers: impl Fn(&Value) -> Vec<Manager>,
    ) -> StatusResult<Value> {
        let kind = &request.kind;
        let name = name_of(&body);
        if self.find(&request.resource(), &name).is_some() {
            return Err(StatusError::already_exists(&kind.qualified(), &name.1));
        }
        self.require_namespace(kind, &name)?;
        schema::check_metadata(kind, &body)?;
        schema::check(kind, &body, request.is_strict())?;
        check_policy(request, &body)?;
        let managers = managers(&body);
        if kind.has_status
            && let Some(fields) = body.as_object_mut()
        {
            fields.remove("status");
        }
        let ids = SystemIds::default();
        body["apiVersion"] = json!(kind.api_version());
        body["kind"] = json!(kind.kind);
        body["metadata"]["uid"] = json!(ids.uuid(SystemClock.now()).to_string());
        body["metadata"]["creationTimestamp"] = json!(now());
        if body.get("spec").is_some() {
            body["metadata"]["generation"] = json!(1);
        }
        schema::set_defaults(kind, &mut body);
        self.apply_limit_ranges(kind, &mut body);
        schema::check_limits(kind, &body)?;
        self.admit_roles(request.user, kind, &body)?;
        self.admit_to_limit_ranges(kind, &body)?;
        self.check_pod_security(kind, &body)?;
        self.check_admission_policies(request, None, Some(&body))?;
        self.admit_to_quota(kind, &body)?;
        if request.is_dry_run() {
            return Ok(Stored { body: body.into(), managers: managers.into() }.with_managed_fields());
        }
        let stored = self.store(kind, body, managers);
        self.update_quota_status(&name.0);
        Ok(stored.with_managed_fields())
    }

    fn require_namespace(&self, kind: &KindInfo, (namespace, name): &Name) -> StatusResult<()> {
        if !kind.namespaced {
            return Ok(());
        }
        let body = self.get("", "namespaces", "", namespace);
        let body = body.ok_or_else(|| StatusError::not_found("namespaces", namespace))?;
        if body["metadata"]["deletionTimestamp"].is_string() {
            return Err(StatusError::forbidden(format!(
                "{} \"{name}\" is forbidden: unable to create new content in namespace {namespace} because it is being terminated",
                kind.qualified()
            )));
        }
        Ok(())
    }

    pub(super) fn replace(&mut self, request: &WriteRequest<'_>, mut body: Value) -> StatusResult<Value> {
        check_target(request, &mut body)?;
        let live = self.require_live(request)?;
        if body["metadata"]["name"].as_str() != request.target.name.as_deref() {
            return Err(StatusError::bad_request(
                "the name of the object does not match the name on the URL",
            ));
        }
        self.update(request, &live, body)
    }

    pub(super) fn patch(
        &mut self,
        request: &WriteRequest<'_>,
        media_type: &str,
        patch: &Value,
    ) -> StatusResult<Value> {
        if media_type == "application/apply-patch+yaml" {
            return self.apply(request, patch);
        }
        let live = self.require_live(request)?;
        let mut body = (*live.body).clone();
        match media_type {
            "application/json-patch+json" => {
                // Clients move fields between managers with this kind of patch.
                body = live.with_managed_fields();
                let before = body["metadata"]["managedFields"].clone();
                patch::json_patch(&mut body, patch)?;
                schema::check_envelope(&body)?;
                let after = body["metadata"]["managedFields"].take();
                if after != before {
                    let managers = managers::parse_managed_fields(&after);
                    schema::check(&request.kind, &body, request.is_strict())?;
                    return self.store_update(request, &live, body, Some(managers));
                }
            }
            "application/merge-patch+json" => patch::merge_patch(&mut body, patch),
            "application/strategic-merge-patch+json" if !request.kind.custom => {
                patch::strategic_merge(&mut body, patch)?
            }
            other => return Err(StatusError::unsupported_media_type(other)),
        }
        self.update(request, &live, body)
    }

    /// Applies an object (server-side apply).
    fn apply(&mut self, request: &WriteRequest<'_>, applied: &Value) -> StatusResult<Value> {
        let Some(manager) = request.params.get("fieldManager").filter(|manager| !manager.is_empty()) else {
            return Err(StatusError::invalid(
                "PatchOptions",
                "",
                "fieldManager: Required value: is required for apply patch",
            ));
        };
        if !request.subresource().is_empty() {
            return Err(StatusError::bad_request("the sandbox does not support apply on subresources"));
        }
        if applied["metadata"].get("managedFields").is_some_and(|fields| !fields.is_null()) {
            return Err(StatusError::bad_request("metadata.managedFields must be nil"));
        }
        let mut applied = applied.clone();
        check_target(request, &mut applied)?;
        let actual = applied["metadata"]["name"].as_str().unwrap_or_default();
        if !actual.is_empty() && Some(actual) != request.target.name.as_deref() {
            return Err(StatusError::bad_request(
                "the name of the object does not match the name on the URL",
            ));
        }
        applied["metadata"]["name"] = json!(request.target.name);
        let (force, time) = (request.flag("force", "true"), now());
        match self.find(&request.resource(), &request.name()).cloned() {
            None => {
                self.authorize(request.user, &request.create_attributes())?;
                schema::check(&request.kind, &applied, request.is_strict())?;
                let (_, managers) = managers::apply(&json!({}), &[], &applied, manager, force, &time)?;
                self.add(request, applied, |_| managers.clone())
            }
            Some(live) => {
                schema::check(&request.kind, &applied, request.is_strict())?;
                let (body, managers) =
                    managers::apply(&live.body, &live.managers, &applied, manager, force, &time)?;
                self.store_update(request, &live, body, Some(managers))
            }
        }
    }

    /// Updates an object by a replacement or a patch other than apply.
    fn update(&mut self, request: &WriteRequest<'_>, live: &Stored, body: Value) -> StatusResult<Value> {
        schema::check_envelope(&body)?;
        schema::check(&request.kind, &body, request.is_strict())?;
        self.store_update(request, live, body, None)
    }

    fn store_update(
        &mut self,
        request: &WriteRequest<'_>,
        live: &Stored,
        mut body: Value,
        managers: Option<Vec<Manager>>,
    ) -> StatusResult<Value> {
        let kind = &request.kind;
        let before = &*live.body;
        check_resource_version(before, &body, &kind.qualified())?;
        restore_server_fields(kind, before, &mut body, request.subresource());
        schema::set_defaults(kind, &mut body);
        schema::check_metadata(kind, &body)?;
        schema::check_immutable(kind, before, &body)?;
        schema::check_limits(kind, &body)?;
        check_policy(request, &body)?;
        self.admit_roles(request.user, kind, &body)?;
        self.check_admission_policies(request, Some(before), Some(&body))?;
        if before["metadata"]["deletionTimestamp"].is_string() {
            reject_new_finalizers(kind, before, &body)?;
        }
        if content_of(before) != content_of(&body) && body.get("spec").is_some() {
            let generation = before["metadata"]["generation"].as_u64().unwrap_or(1) + 1;
            body["metadata"]["generation"] = json!(generation);
        }
        let managers = managers.unwrap_or_else(|| {
            managers::record_update(
                Some(before),
                &body,
                &live.managers,
                request.manager(),
                request.subresource(),
                &now(),
            )
        });
        let same_managers = managers_equal(&managers, &live.managers);
        if *before == body && same_managers {
            return Ok(live.with_managed_fields());
        }
        if request.is_dry_run() {
            return Ok(Stored { body: body.into(), managers: managers.into() }.with_managed_fields());
        }
        let stored = self.store(kind, body, managers);
        let name = request.name();
        if is_removable(&stored.body) {
            self.remove(&request.resource(), &name);
        }
        self.update_quota_status(&name.0);
        Ok(stored.with_managed_fields())
    }

    pub(super) fn delete(&mut self, request: &WriteRequest<'_>, options: &Value) -> StatusResult<Value> {
        let live = self.require_live(request)?;
        let preconditions = &options["preconditions"];
        for field in ["uid", "resourceVersion"] {
            let (expected, actual) = (&preconditions[field], &live.body["metadata"][field]);
            if expected.is_string() && expected != actual {
                return Err(StatusError::conflict(format!(
                    "Operation cannot be fulfilled on {} \"{}\": the {field} in the precondition ({expected}) does not match the one in record ({actual})",
                    request.kind.qualified(),
                    request.name().1,
                )));
            }
        }
        self.check_admission_policies(request, Some(&live.body), None)?;
        // With options in the body, `dryRun` in the URL is ignored.
        let dry_run = if options.is_null() { request.is_dry_run() } else { options["dryRun"][0] == "All" };
        if dry_run {
            return Ok(live.with_managed_fields());
        }
        let policy = options["propagationPolicy"]
            .as_str()
            .or(request.params.get("propagationPolicy").map(String::as_str));
        self.begin_deletion(&request.kind, &request.name(), policy == Some("Orphan"));
        match self.find(&request.resource(), &request.name()) {
            // A finalizer still holds the object.
            Some(terminating) => Ok(terminating.with_managed_fields()),
            None => Ok(json!({
                "kind": "Status",
                "apiVersion": "v1",
                "metadata": {},
                "status": "Success",
                "details": { "name": request.name().1, "group": request.kind.group, "kind": request.kind.plural, "uid": live.body["metadata"]["uid"] },
            })),
        }
    }

    pub(super) fn delete_collection(
        &mut self,
        request: &WriteRequest<'_>,
        selector: &Selector,
    ) -> StatusResult<Value> {
        let resource = request.resource();
        let found = self.scan(&resource, &request.target.namespace);
        let selected = found.filter(|(_, stored)| selector.matches(&stored.body));
        let selected: Vec<(Name, Value)> =
            selected.map(|(name, stored)| (name.clone(), stored.with_managed_fields())).collect();
        for (_, body) in &selected {
            self.check_admission_policies(request, Some(body), None)?;
        }
        if !request.is_dry_run() {
            for (name, _) in &selected {
                self.begin_deletion(&request.kind, name, false);
            }
        }
        let items: Vec<Value> = selected.into_iter().map(|(_, body)| body).collect();
        Ok(json!({
            "kind": format!("{}List", request.kind.kind),
            "apiVersion": request.kind.api_version(),
            "metadata": { "resourceVersion": self.version().to_string() },
            "items": items,
        }))
    }

    /// Removes an object, or sets its deletion timestamp while finalizers hold it.
    pub(super) fn begin_deletion(&mut self, kind: &KindInfo, name: &Name, orphan: bool) {
        let resource = (kind.group.clone(), kind.plural.clone());
        let Some(live) = self.find(&resource, name).cloned() else { return };
        if orphan {
            self.orphan_dependents(&live.body);
        }
        let mut body = (*live.body).clone();
        if body["metadata"]["deletionTimestamp"].is_null() {
            body["metadata"]["deletionTimestamp"] = json!(now());
            body["metadata"]["deletionGracePeriodSeconds"] = json!(0);
            if kind.kind == "Namespace" {
                body["status"]["phase"] = json!("Terminating");
            }
        }
        if is_removable(&body) {
            self.remove(&resource, name);
            self.update_quota_status(&name.0);
        } else if body != *live.body {
            self.store(kind, body, live.managers.to_vec());
        }
    }
}

/// Checks that an object matches the URL of its request, and sets its kind, API version and namespace if missing.
fn check_target(request: &WriteRequest<'_>, body: &mut Value) -> StatusResult<()> {
    let kind = &request.kind;
    schema::check_envelope(body)?;
    for (field, expected) in [("kind", kind.kind.clone()), ("apiVersion", kind.api_version())] {
        let actual = body.get(field).and_then(Value::as_str).unwrap_or(&expected);
        if actual != expected {
            return Err(StatusError::bad_request(format!(
                "the {field} in the data ({actual}) does not match the expected one ({expected})"
            )));
        }
        body[field] = json!(expected);
    }
    if kind.namespaced {
        let actual = body["metadata"]["namespace"].as_str().unwrap_or_default();
        if !actual.is_empty() && actual != request.target.namespace {
            return Err(StatusError::bad_request(
                "the namespace of the provided object does not match the namespace sent on the request",
            ));
        }
        body["metadata"]["namespace"] = json!(request.target.namespace);
    }
    Ok(())
}

/// Rejects an admission policy of a client with expressions that do not compile.
fn check_policy(request: &WriteRequest<'_>, body: &Value) -> StatusResult<()> {
    match is_policy(&request.kind.group, &request.kind.plural) && !request.is_internal {
        true => AdmissionPolicy::of(body).check(),
        false => Ok(()),
    }
}

fn check_resource_version(before: &Value, body: &Value, resource: &str) -> StatusResult<()> {
    let name = before["metadata"]["name"].as_str().unwrap_or_default();
    for field in ["resourceVersion", "uid"] {
        let (expected, actual) = (&body["metadata"][field], &before["metadata"][field]);
        if expected.is_string() && expected != "" && expected != actual {
            return Err(StatusError::conflict(format!(
                "Operation cannot be fulfilled on {resource} \"{name}\": the object has been modified; please apply your changes to the latest version and try again"
            )));
        }
    }
    Ok(())
}

/// Restores the fields that only the API server writes, and either the status or all other fields, whichever the
/// request does not write.
fn restore_server_fields(kind: &KindInfo, before: &Value, body: &mut Value, subresource: &str) {
    if subresource == "status" {
        let (status, metadata) = (body["status"].clone(), body["metadata"].clone());
        *body = before.clone();
        body["status"] = status;
        body["metadata"] = metadata;
    } else if kind.has_status {
        match before.get("status") {
            Some(status) => body["status"] = status.clone(),
            None => drop(body.as_object_mut().map(|fields| fields.remove("status"))),
        }
    }
    if let Some(metadata) = body["metadata"].as_object_mut() {
        metadata.remove("managedFields");
        for field in [
            "uid",
            "creationTimestamp",
            "resourceVersion",
            "generation",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
        ] {
            match before["metadata"].get(field) {
                Some(value) => drop(metadata.insert(field.to_owned(), value.clone())),
                None => drop(metadata.remove(field)),
            }
        }
    }
}

/// Content that the generation counts: everything except metadata and status.
fn content_of(body: &Value) -> BTreeMap<&str, &Value> {
    let fields = body.as_object().into_iter().flatten();
    fields
        .map(|(name, value)| (name.as_str(), value))
        .filter(|(name, _)| !["metadata", "status"].contains(name))
        .collect()
}

fn managers_equal(left: &[Manager], right: &[Manager]) -> bool {
    let comparable = |managers: &[Manager]| {
        let mut all: Vec<_> = managers
            .iter()
            .map(|m| (m.name.clone(), m.applied, m.subresource.clone(), m.fields.clone()))
            .collect();
        all.sort();
        all
    };
    comparable(left) == comparable(right)
}

fn reject_new_finalizers(kind: &KindInfo, before: &Value, after: &Value) -> StatusResult<()> {
    let finalizers = |body: &Value| body["metadata"]["finalizers"].as_array().cloned().unwrap_or_default();
    let old = finalizers(before);
    if finalizers(after).iter().all(|finalizer| old.contains(finalizer)) {
        return Ok(());
    }
    let name = after["metadata"]["name"].as_str().unwrap_or_default();
    Err(StatusError::invalid(
        &kind.kind,
        name,
        "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted",
    ))
}

/// `true` for an object that is being deleted and has no finalizers left.
fn is_removable(body: &Value) -> bool {
    let empty = |value: &Value| value.as_array().is_none_or(Vec::is_empty);
    let free = body["kind"] != "Namespace" || empty(&body["spec"]["finalizers"]);
    body["metadata"]["deletionTimestamp"].is_string() && empty(&body["metadata"]["finalizers"]) && free
}

fn random_suffix() -> String {
    const LETTERS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
    let bytes: [u8; 5] = SystemIds::default().bytes();
    bytes.iter().map(|byte| char::from(LETTERS[usize::from(*byte) % LETTERS.len()])).collect()
}
