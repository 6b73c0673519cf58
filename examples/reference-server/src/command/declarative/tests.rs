use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::actual::{Actual, WorkspaceLists};
use super::document::{self, DesiredObjects};
use super::executor::progress;
use super::object::{FieldChange, Key, Kind, Object, Spec};
use super::plan::{Operation, Plan, PlanOptions, Step, plan};
use super::report::describe;
use super::request::{Ids, Method, requests};
use crate::command::client::NOT_COMPLETED;

fn documents(text: &str) -> DesiredObjects {
    document::parse(&[("tenants.yaml".to_owned(), text.to_owned())]).unwrap()
}

fn problems(text: &str) -> Vec<String> {
    let parsed = document::parse(&[("t.yaml".to_owned(), text.to_owned())]);
    parsed.unwrap_err().iter().map(ToString::to_string).collect()
}

fn options(prune: bool) -> PlanOptions {
    PlanOptions { inventory: "git".to_owned(), prune }
}

/// Document of a kind, with its metadata and specification in flow style.
fn document(kind: &str, metadata: &str, spec: &str) -> String {
    format!("---\napiVersion: hexabase.ai/v1alpha1\nkind: {kind}\nmetadata: {metadata}\nspec: {spec}\n")
}

const ACME: &str = "---\napiVersion: hexabase.ai/v1alpha1\nkind: Organization\nmetadata: {name: acme}\n\
                    spec: {display_name: Acme}\n";

/// Documents with one object of each kind.
fn one_of_each() -> String {
    let shop = "organization: acme, workspace: shop";
    [
        ACME.to_owned(),
        document("Member", "{name: Bob@example.com, organization: acme}", "{role: member}"),
        document("ServiceAccount", "{name: ci, organization: acme}", "{}"),
        document("Workspace", "{name: shop, organization: acme}", "{plan_id: starter, kubernetes_version: 1.36}"),
        document("Group", &format!("{{name: developers, {shop}}}"), "{parent: WSUsers}"),
        document("GroupMember", &format!("{{name: ci, group: developers, {shop}}}"), "{}"),
        document("Project", &format!("{{name: web, {shop}}}"), "{quota: {cpu: 1000m, memory: 1Gi}}"),
        document("Project", &format!("{{name: web-a, {shop}}}"), "{parent: web, quota: {cpu: 1}}"),
        document(
            "Role",
            &format!("{{name: deployer, project: web, {shop}}}"),
            "{rules: [{api_groups: [apps], resources: [deployments], verbs: [get, patch]}]}",
        ),
        document("RoleAssignment", &format!("{{project: web, {shop}}}"), "{group: developers, role: deployer}"),
        document("RoleAssignment", &format!("{{{shop}}}"), "{group: developers, role: 'hexabase:workspace-viewer'}"),
        document(
            "AlertRule",
            &format!("{{name: memory, {shop}}}"),
            "{project: web, metric: memory, comparison: above, percent_of_quota: 80, for: 5m, severity: warning}",
        ),
    ]
    .concat()
}

/// Server in memory: executes plans as the API would, and fails for operations in a wrong order.
#[derive(Default, Clone)]
struct Server {
    actual: Actual,
    next_id: u64,
}

impl Server {
    fn new_id(&mut self, kind: Kind) -> String {
        self.next_id += 1;
        let prefix = match kind {
            Kind::Member => "inv",
            Kind::ServiceAccount => "usr",
            _ => "obj",
        };
        format!("{prefix}_{}", self.next_id)
    }

    fn add(&mut self, key: &Key, spec: Value, is_built_in: bool) {
        let id = self.new_id(key.kind);
        let reference = match key.kind {
            Kind::GroupMember => format!("{key}"),
            _ => id.clone(),
        };
        let spec = super::spec::from_server(key, spec).unwrap();
        let object = Object { id, reference, version: Some(1), spec, is_built_in };
        assert!(self.actual.objects.insert(key.clone(), object).is_none(), "{key} exists");
    }

    fn execute(&mut self, plan: &Plan) {
        for operation in &plan.operations {
            self.execute_one(operation);
        }
        for key in &plan.adopted {
            let reference = self.actual.objects[key].reference.clone();
            self.inventory(&key.organization).insert(reference);
        }
        for (organization, reference) in &plan.released {
            self.inventory(organization).remove(reference);
        }
    }

    fn inventory(&mut self, organization: &str) -> &mut BTreeSet<String> {
        self.actual.inventories.entry((organization.to_owned(), "git".to_owned())).or_default()
    }

    fn execute_one(&mut self, Operation { key, step, spec, .. }: &Operation) {
        match step {
            Step::Create => {
                let mut spec = spec.clone();
                if key.kind == Kind::Workspace && spec["kubernetes_version"].is_null() {
                    spec.insert("kubernetes_version".to_owned(), json!("1.36"));
                }
                // All ids that the requests need are known.
                let operation =
                    Operation { key: key.clone(), step: Step::Create, spec: spec.clone(), object: None };
                let sent = requests(&operation, &Ids::new(&self.actual)).unwrap();
                assert_eq!(sent.len(), 1, "{key}");
                if key.kind == Kind::Workspace {
                    spec.remove("region");
                }
                self.add(key, Value::Object(spec), false);
                let here = Key { workspace: Some(key.name.clone()), ..key.clone() };
                if key.kind == Kind::Workspace {
                    for (name, parent) in [
                        ("WorkspaceMembers", None),
                        ("WSAdmins", Some("WorkspaceMembers")),
                        ("WSUsers", Some("WorkspaceMembers")),
                    ] {
                        self.add(&here.sibling(Kind::Group, name), json!({ "parent": parent }), true);
                    }
                }
                let reference = self.actual.objects[key].reference.clone();
                if key.kind != Kind::Organization {
                    self.inventory(&key.organization).insert(reference);
                }
            }
            Step::Update(changes) => {
                let object = self.actual.objects.get_mut(key).unwrap();
                for change in changes {
                    assert_eq!(object.spec[change.field], change.before);
                    object.spec.insert(change.field.to_owned(), change.after.clone());
                }
            }
            Step::Delete => {
                let object = self.actual.objects.remove(key).unwrap();
                let contents: Vec<Key> = self
                    .actual
                    .objects
                    .keys()
                    .filter(|other| {
                        key.kind == Kind::Workspace && other.workspace.as_deref() == Some(&key.name)
                    })
                    .cloned()
                    .collect();
                for content in contents {
                    self.actual.objects.remove(&content);
                }
                let is_parent = |other: (&Key, &Object)| {
                    other.0.kind == key.kind
                        && other.1.spec.get("parent") == Some(&json!(key.name))
                        && other.0.workspace == key.workspace
                        && key.workspace.is_some()
                };
                assert!(!self.actual.objects.iter().any(is_parent), "{key} has children");
                self.inventory(&key.organization).remove(&object.reference);
            }
        }
    }

    /// Plans, executes, and expects that nothing remains to be done.
    fn apply(&mut self, desired: &DesiredObjects, prune: bool) -> Plan {
        let planned = plan(desired, &self.actual, &options(prune)).unwrap();
        self.execute(&planned);
        let again = plan(desired, &self.actual, &options(prune)).unwrap();
        assert_eq!((&again.operations, &again.adopted), (&Vec::new(), &Vec::new()), "{}", describe(&again));
        planned
    }
}

#[test]
fn documents_of_every_kind_create_their_objects_in_order_and_then_change_nothing() {
    let desired = documents(&one_of_each());
    assert_eq!(desired.len(), 12);
    let mut server = Server::default();
    let planned = server.apply(&desired, false);
    let kinds: Vec<Kind> = planned.operations.iter().map(|operation| operation.key.kind).collect();
    assert!(kinds.is_sorted(), "{kinds:?}");
    assert_eq!(planned.operations.len(), 12);
    let text = describe(&planned);
    for line in
        ["+ Organization acme", "+ Role acme/shop/web/deployer", "12 to create, 0 to change, 0 to delete"]
    {
        assert!(text.contains(line), "{line}: {text}");
    }
}

#[test]
fn quantities_and_addresses_are_compared_by_their_meaning() {
    let mut server = Server::default();
    server.apply(&documents(&one_of_each()), false);
    let other = one_of_each().replace("cpu: 1000m", "cpu: 1").replace("Bob@", "bob@");
    assert_eq!(plan(&documents(&other), &server.actual, &options(true)).unwrap().operations, []);
}

#[test]
fn a_changed_field_is_one_operation_with_the_request_of_the_api() {
    let mut server = Server::default();
    server.apply(&documents(&one_of_each()), false);
    for (from, to, expected) in [
        (
            "display_name: Acme",
            "display_name: ACME",
            vec![(Method::Patch, json!({ "display_name": "ACME" }))],
        ),
        ("plan_id: starter", "plan_id: team", vec![(Method::Patch, json!({ "plan_id": "team" }))]),
        ("memory: 1Gi", "memory: 2Gi", vec![(Method::Put, json!({ "cpu": "1", "memory": "2Gi" }))]),
        ("parent: WSUsers", "", vec![(Method::Patch, json!({ "parent_id": null }))]),
        ("percent_of_quota: 80", "threshold: 5", vec![(Method::Patch, json!({ "threshold": 5.0 }))]),
        ("for: 5m", "for: 15m", vec![(Method::Patch, json!({ "for": "15m" }))]),
        (
            "{role: member}",
            "{role: admin}",
            vec![
                (Method::Delete, Value::Null),
                (Method::Post, json!({ "email": "bob@example.com", "role": "admin" })),
            ],
        ),
    ] {
        let text = one_of_each();
        assert!(text.contains(from), "{from}");
        let planned = plan(&documents(&text.replacen(from, to, 1)), &server.actual, &options(true)).unwrap();
        let [operation] = planned.operations.as_slice() else { panic!("{to}: {planned:?}") };
        let sent = requests(operation, &Ids::new(&server.actual)).unwrap();
        let sent: Vec<(Method, Value)> =
            sent.into_iter().map(|request| (request.method, request.body.unwrap_or_default())).collect();
        assert_eq!(sent, expected, "{to}");
    }
}

#[test]
fn only_the_deletion_of_a_workspace_is_conditional_on_its_version() {
    let mut server = Server::default();
    server.apply(&documents(&one_of_each()), false);
    let key = Key::in_organization(Kind::Workspace, "acme", "shop");
    let change =
        FieldChange { field: "plan_id", before: json!("starter"), after: json!("team"), is_fixed: false };
    for (step, expected) in [(Step::Update(vec![change]), None), (Step::Delete, Some(1))] {
        let object = server.actual.objects.get(&key).cloned();
        let operation = Operation { key: key.clone(), step, spec: Spec::new(), object };
        let sent = requests(&operation, &Ids::new(&server.actual)).unwrap();
        assert_eq!(sent.iter().map(|request| request.version).collect::<Vec<_>>(), [expected]);
    }
}

#[test]
fn a_failed_workspace_ends_the_wait() {
    let workspace = |phase: &str| {
        json!({ "name": "shop", "phase": phase, "reason": "quota", "message": "no\u{1b}[2J",
            "generation": 2, "observed_generation": 2 })
    };
    assert_eq!(progress(&workspace("ready")).unwrap(), None);
    assert!(progress(&workspace("pending")).unwrap().is_some());
    let failed = progress(&workspace("failed")).unwrap_err();
    assert_eq!(failed.code(), NOT_COMPLETED);
    assert!(!failed.message().contains('\u{1b}'), "{failed}");
}

#[test]
fn problems_of_documents_have_a_file_and_a_line() {
    let workspace = "{name: shop, organization: acme}";
    for (text, expected) in [
        (ACME.replace("display_name: Acme", "display_name: Acme, x: 1"), "t.yaml:5: "),
        (ACME.replace("Organization", "Organisation"), "t.yaml:3: \"Organisation\" is no kind"),
        (ACME.replace("v1alpha1", "v1"), "t.yaml:2: apiVersion must be hexabase.ai/v1alpha1"),
        (ACME.replace("spec:", "status: {}\nspec:"), "t.yaml:5: "),
        (ACME.replace("name: acme", "name: acme, workspace: shop"), "workspace must be absent"),
        (ACME.replace("name: acme", "name: Acme!"), "name must be 1 to 63"),
        (format!("{ACME}{ACME}"), "t.yaml:7: Organization acme is already described at t.yaml:2"),
        (format!("# Comment\n\n{ACME}kind: [\n"), "t.yaml:"),
        (document("Workspace", "{name: shop}", "{plan_id: starter}"), "organization is required"),
        (document("Workspace", workspace, "{}"), "plan_id"),
        (
            document("Workspace", workspace, "{plan_id: starter, kubernetes_version: new}"),
            "kubernetes_version must be",
        ),
        (document("Project", "{name: kube-x, organization: a, workspace: b}", "{}"), "name must not be"),
        (
            document("RoleAssignment", "{organization: a, workspace: b}", "{group: g, role: own}"),
            "add metadata.project",
        ),
        (format!("{}{}", "a: ".to_owned(), "[".repeat(200)), "t.yaml:1: "),
    ] {
        let found = problems(&text);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("t.yaml:") && found[0].contains(expected), "{expected}: {found:?}");
    }
}

#[test]
fn dangling_references_cycles_and_fixed_fields_are_problems_of_the_plan() {
    let group = |name: &str, parent: &str| {
        document(
            "Group",
            &format!("{{name: {name}, organization: acme, workspace: shop}}"),
            &format!("{{parent: {parent}}}"),
        )
    };
    let mut server = Server::default();
    server.apply(&documents(&one_of_each()), false);
    let all = one_of_each();
    for (text, expected) in [
        (all.replace("parent: WSUsers", "parent: Absent"), "refers to Group acme/shop/Absent"),
        (all.replace("{project: web, metric", "{project: gone, metric"), "refers to Project acme/shop/gone"),
        (all.replace("{name: ci, group", "{name: robot, group"), "refers to ServiceAccount acme/robot"),
        (all.replace("role: deployer}", "role: other}"), "refers to Role acme/shop/web/other"),
        (all.replace("parent: WSUsers", "parent: developers"), "is its own ancestor"),
        (format!("{all}{}{}", group("a", "b"), group("b", "a")), "is its own ancestor"),
        (
            all.replace("{parent: web, quota: {cpu: 1}}", "{quota: {cpu: 1}}"),
            "parent of Project acme/shop/web-a cannot change",
        ),
    ] {
        let found = plan(&documents(&text), &server.actual, &options(false)).unwrap_err();
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert!(found.iter().all(|it| it.starts_with("tenants.yaml:")), "{found:?}");
        assert!(found.iter().any(|it| it.contains(expected)), "{expected}: {found:?}");
    }
}

#[test]
fn only_objects_of_the_inventory_are_deleted_and_containers_of_others_are_retained() {
    let mut server = Server::default();
    server.apply(&documents(&one_of_each()), false);
    let shop = Key::in_organization(Kind::Workspace, "acme", "shop");
    let here = Key { workspace: Some("shop".to_owned()), ..shop.clone() };
    let hand_made = here.sibling(Kind::Project, "hand-made");
    server.add(&hand_made, json!({}), false);
    let planned = server.apply(&documents(ACME), true);
    assert!(server.actual.objects.contains_key(&hand_made));
    assert_eq!(planned.retained, [(shop.clone(), hand_made.clone())]);
    let left: Vec<&Key> =
        server.actual.objects.iter().filter(|(_, object)| !object.is_built_in).map(|(key, _)| key).collect();
    assert_eq!(left, [&Key::organization("acme"), &shop, &hand_made]);

    server.actual.objects.remove(&hand_made);
    server.actual.with_others.insert(shop.clone());
    assert_eq!(server.apply(&documents(ACME), true).retained, [(shop.clone(), shop.clone())], "node pools");
    server.actual.with_others.clear();
    assert_eq!(server.apply(&documents(ACME), true).operations.len(), 1);
    assert!(!server.actual.objects.contains_key(&shop));
}

#[test]
fn an_object_of_another_inventory_is_a_problem_and_a_deleted_one_is_released() {
    let mut server = Server::default();
    server.apply(&documents(&one_of_each()), false);
    let own = server.actual.inventories.remove(&("acme".to_owned(), "git".to_owned())).unwrap();
    server.actual.inventories.insert(("acme".to_owned(), "other".to_owned()), own);
    let found = plan(&documents(&one_of_each()), &server.actual, &options(true)).unwrap_err();
    assert!(found[0].message.contains("is managed by the inventory other"), "{found:?}");

    server.inventory("acme").insert("grp_gone".to_owned());
    let planned = plan(&documents(ACME), &server.actual, &options(false)).unwrap();
    assert_eq!(planned.released, [("acme".to_owned(), "grp_gone".to_owned())].into());
}

#[test]
fn a_membership_waits_until_the_person_has_accepted_the_invitation() {
    let membership = document(
        "GroupMember",
        "{name: bob@example.com, group: developers, organization: acme, workspace: shop}",
        "{}",
    );
    let desired = documents(&format!("{}{membership}", one_of_each()));
    let mut server = Server::default();
    let planned = server.apply(&desired, false);
    assert_eq!((planned.operations.len(), planned.pending.len()), (12, 1));
    let bob = Key::in_organization(Kind::Member, "acme", "bob@example.com");
    server.actual.objects.get_mut(&bob).unwrap().id = "usr_bob".to_owned();
    assert_eq!(server.apply(&desired, false).operations.len(), 1);
}

#[test]
fn responses_of_the_api_become_objects_by_name() {
    let mut actual = Actual::default();
    let id = |kind: &str, name: &str| json!({ "id": format!("{kind}_{name}"), "name": name, "version": 3 });
    let with = |mut object: Value, fields: Value| {
        object.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        object
    };
    actual.add_organization(&with(id("org", "acme"), json!({ "display_name": "Acme" }))).unwrap();
    let members =
        [json!({ "user": { "id": "usr_ann", "email": "ann@example.com" }, "role": "owner", "version": 1 })];
    let invitation = |email: &str, until: &str| json!({ "id": "inv_1", "email": email, "role": "member", "expires_at": until });
    let invitations = [
        invitation("bob@example.com", "2026-01-02T00:00:00Z"),
        invitation("late@example.com", "2025-12-31T00:00:00Z"),
    ];
    let now = hexabase_core_time();
    actual
        .add_people(
            "acme",
            (&members, &invitations),
            &[with(id("usr", "ci"), json!({ "role": "member" }))],
            now,
        )
        .unwrap();
    let shop = with(
        id("ws", "shop"),
        json!({ "display_name": null, "plan_id": "starter", "kubernetes_version": "1.36" }),
    );
    let shop = actual.add_workspace("acme", &shop).unwrap();
    assert_eq!(actual.objects[&shop].version, Some(3));
    let group = |name: &str, parent: Value, preset: Value| {
        with(id("grp", name), json!({ "parent_id": parent, "preset": preset }))
    };
    let user = |id: &str, kind: &str, name: &str| json!({ "user": { "id": id, "kind": kind, "name": name, "email": null } });
    let ann =
        json!({ "user": { "id": "usr_ann", "kind": "person", "name": "Ann", "email": "ann@example.com" } });
    let lists = WorkspaceLists {
        groups: vec![
            group("WSAdmins", Value::Null, json!("admins")),
            group("developers", json!("grp_WSAdmins"), Value::Null),
        ],
        members: BTreeMap::from([
            ("grp_WSAdmins".to_owned(), vec![ann]),
            ("grp_developers".to_owned(), vec![user("usr_ci", "service_account", "ci")]),
        ]),
        projects: vec![with(
            id("prj", "web"),
            json!({ "display_name": null, "parent_id": null, "quota": { "cpu": "1" } }),
        )],
        roles: BTreeMap::from([(
            "prj_web".to_owned(),
            vec![with(id("rol", "deployer"), json!({ "rules": [] }))],
        )]),
        assignments: vec![
            json!({ "id": "asg_1", "group_id": "grp_developers", "role": "rol_deployer", "project_id": "prj_web" }),
            json!({ "id": "asg_2", "group_id": "grp_WSAdmins", "role": "hexabase:workspace-admin", "project_id": null }),
        ],
        alert_rules: Vec::new(),
        node_pools: vec![json!({})],
    };
    actual.add_contents(&shop, &lists, "usr_ann").unwrap();
    let found: Vec<String> =
        actual.objects.iter().filter(|(_, it)| !it.is_built_in).map(|(key, _)| key.to_string()).collect();
    assert_eq!(
        found,
        [
            "Organization acme",
            "Member acme/ann@example.com",
            "Member acme/bob@example.com",
            "ServiceAccount acme/ci",
            "Workspace acme/shop",
            "Group acme/shop/developers",
            "GroupMember acme/shop/developers/ci",
            "Project acme/shop/web",
            "Role acme/shop/web/deployer",
            "RoleAssignment acme/shop/web/developers/deployer",
        ]
    );
    let built_in: Vec<String> =
        actual.objects.iter().filter(|(_, it)| it.is_built_in).map(|(key, _)| key.to_string()).collect();
    assert_eq!(
        built_in,
        [
            "Group acme/shop/WSAdmins",
            "GroupMember acme/shop/WSAdmins/ann@example.com",
            "RoleAssignment acme/shop/WSAdmins/hexabase:workspace-admin",
        ]
    );
    assert_eq!(actual.with_others, [shop].into());
}

fn hexabase_core_time() -> jiff::Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

/// Documents with a random choice of objects; the parent of a project depends on its name only, as it cannot change.
fn any_documents() -> impl Strategy<Value = DesiredObjects> {
    let workspace = (
        any::<bool>(),
        prop::sample::select(vec!["starter", "team"]),
        // The parent of each group is one of those before it.
        prop::collection::vec(prop::option::of(0_usize..3), 0..4),
        0_usize..4,
        any::<[bool; 6]>(),
        1_u32..4,
    );
    let workspaces = prop::collection::vec(workspace, 1..3);
    (workspaces, any::<bool>()).prop_map(|(workspaces, has_account)| {
        let mut text = ACME.to_owned();
        text += &document("ServiceAccount", "{name: robot, organization: acme}", "{role: member}");
        if has_account {
            text += &document("ServiceAccount", "{name: ci, organization: acme}", "{role: billing}");
        }
        for (number, (exists, plan, groups, projects, flags, amount)) in workspaces.iter().enumerate() {
            if !exists {
                continue;
            }
            let here = format!("organization: acme, workspace: ws-{number}");
            text += &document(
                "Workspace",
                &format!("{{name: ws-{number}, organization: acme}}"),
                &format!("{{plan_id: {plan}, display_name: 'yes'}}"),
            );
            for (index, parent) in groups.iter().enumerate() {
                let parent = parent.filter(|parent| *parent < index).map(|parent| format!("parent: g{parent}"));
                text += &document("Group", &format!("{{name: g{index}, {here}}}"), &format!("{{{}}}", parent.unwrap_or_default()));
                if flags[0] {
                    text += &document("GroupMember", &format!("{{name: robot, group: g{index}, {here}}}"), "{}");
                }
                if flags[1] {
                    text += &document("RoleAssignment", &format!("{{{here}}}"), &format!("{{group: g{index}, role: 'hexabase:workspace-viewer'}}"));
                }
            }
            for index in 0..*projects {
                let parent = if index == 0 { String::new() } else { format!("parent: p{}, ", index - 1) };
                text += &document("Project", &format!("{{name: p{index}, {here}}}"), &format!("{{{parent}quota: {{cpu: '{amount}'}}}}"));
                if flags[2] {
                    text += &document("Role", &format!("{{name: r, project: p{index}, {here}}}"), &format!("{{rules: [{{api_groups: ['{amount}'], resources: [pods], verbs: [get]}}]}}"));
                    if flags[3] && !groups.is_empty() {
                        text += &document("RoleAssignment", &format!("{{project: p{index}, {here}}}"), "{group: g0, role: r}");
                    }
                }
                if flags[4] {
                    text += &document("AlertRule", &format!("{{name: a{index}, {here}}}"), &format!("{{project: p{index}, metric: cpu, comparison: above, threshold: 0.{amount}, for: 0, severity: info}}"));
                }
            }
        }
        documents(&text)
    })
}

proptest! {
    #[test]
    fn after_any_change_of_the_documents_nothing_remains_to_be_done(first in any_documents(), second in any_documents()) {
        let mut server = Server::default();
        server.apply(&first, true);
        server.apply(&second, true);
        let described: BTreeSet<&Key> = second.keys().collect();
        let existing: BTreeSet<&Key> =
            server.actual.objects.iter().filter(|(_, object)| !object.is_built_in).map(|(key, _)| key).collect();
        prop_assert_eq!(existing, described);
    }

    #[test]
    fn applying_an_export_changes_nothing(desired in any_documents()) {
        let mut server = Server::default();
        server.apply(&desired, false);
        let exported = document::write(server.actual.objects.iter().map(|(key, object)| (key, &object.spec))).unwrap();
        let exported = documents(&exported);
        prop_assert_eq!(exported.len(), server.actual.objects.len());
        let planned = plan(&exported, &server.actual, &options(true)).unwrap();
        prop_assert_eq!(planned.operations, []);
    }

    #[test]
    fn hand_made_objects_are_never_deleted(
        (hand_made, first, second) in (any_documents(), any_documents(), any_documents())
    ) {
        let mut server = Server::default();
        server.apply(&hand_made, false);
        server.actual.inventories.clear();
        // The documents adopt what they describe.
        server.apply(&first, true);
        server.apply(&second, true);
        for key in hand_made.keys().filter(|key| !first.contains_key(key)) {
            prop_assert!(server.actual.objects.contains_key(key), "{} was deleted", key);
        }
    }
}
