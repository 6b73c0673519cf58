//! Records that most cases start with.

use jiff::Timestamp;

use crate::changeset::Changeset;
use crate::fixture::{self, FIXTURE_TIME, id};
use crate::id::{EventId, OrganizationId, UserId, WorkspaceId};
use crate::model::{
    Actor, ApiToken, Assignment, AuditEvent, CustomRole, Grant, Inventory, Membership, Organization,
    OrganizationRole, Origin, PresetRole, RoleRef, Rule, Scopes, SecurityEvent, SecurityEventKind, Session,
    Task, TaskKind, Workspace,
};
use crate::name::{DisplayName, ManagedObject, ProviderName, Slug};
use crate::secret::Verifier;
use crate::store::{PruneCutoffs, TenantStore};
use crate::version::Version;
use crate::{id_source::SeededIds, lifecycle};

pub(in crate::conformance) fn acme() -> OrganizationId {
    id("acme")
}

pub(in crate::conformance) fn dev() -> WorkspaceId {
    id("dev")
}

pub(in crate::conformance) fn later(seconds: i64) -> Timestamp {
    FIXTURE_TIME + jiff::SignedDuration::from_secs(seconds)
}

/// Inserts the organization `acme` with its owner and the workspace `dev`, which has the group `staff` with its child
/// `ops`, and the project `shop`.
pub(in crate::conformance) async fn populate(store: &dyn TenantStore) -> (Organization, Workspace) {
    let (organization, workspace) = (fixture::organization("acme"), fixture::workspace("dev"));
    let mut ops = fixture::group("ops");
    ops.parent_id = Some(id("staff"));
    let changeset = Changeset::new()
        .insert(fixture::user("owner"))
        .insert(organization.clone())
        .insert(fixture::member(acme(), id("owner"), OrganizationRole::Owner))
        .insert(workspace.clone())
        .insert(fixture::group("staff"))
        .insert(ops)
        .insert(fixture::project("shop"));
    store.commit(changeset).await.unwrap();
    (organization, workspace)
}

pub(in crate::conformance) fn membership(group: &str, user: &str) -> Membership {
    Membership {
        organization_id: acme(),
        workspace_id: dev(),
        group_id: id(group),
        user_id: id(user),
        added_by: id("owner"),
        created_at: FIXTURE_TIME,
    }
}

pub(in crate::conformance) fn assignment(name: &str, group: &str, project: Option<&str>) -> Assignment {
    let preset = if project.is_some() { PresetRole::ProjectEditor } else { PresetRole::WorkspaceViewer };
    Assignment {
        id: id(name),
        organization_id: acme(),
        workspace_id: dev(),
        project_id: project.map(id),
        group_id: id(group),
        role: RoleRef::Preset(preset),
        created_by: id("owner"),
        created_at: FIXTURE_TIME,
    }
}

pub(in crate::conformance) fn role(name: &str) -> CustomRole {
    CustomRole {
        id: id(name),
        organization_id: acme(),
        workspace_id: dev(),
        project_id: id("shop"),
        name: Slug::parse(name).unwrap(),
        rules: vec![Rule {
            api_groups: vec![String::new()],
            resources: vec!["pods".to_owned()],
            verbs: vec!["get".to_owned()],
            resource_names: vec!["web-0".to_owned()],
        }],
        created_at: FIXTURE_TIME,
        updated_at: FIXTURE_TIME,
        version: Version::FIRST,
    }
}

pub(in crate::conformance) fn task(name: &str) -> Task {
    lifecycle::new_task(id(name), &fixture::workspace("dev"), TaskKind::Create, id("owner"), FIXTURE_TIME)
}

pub(in crate::conformance) fn inventory(name: &str) -> Inventory {
    Inventory {
        organization_id: acme(),
        name: Slug::parse(name).unwrap(),
        objects: [ManagedObject::parse(&dev().to_string()).unwrap()].into(),
        updated_by: id("owner"),
        created_at: FIXTURE_TIME,
        updated_at: later(1),
        version: Version::new(7),
    }
}

pub(in crate::conformance) fn verifier(seed: u64) -> Verifier {
    Verifier::generate(&SeededIds::new(seed))
}

pub(in crate::conformance) fn session(name: &str, user: UserId, expires_at: Timestamp) -> Session {
    Session {
        id: id(name),
        user_id: user,
        parent_id: Some(id("parent")),
        provider: ProviderName::parse("dev").unwrap(),
        refresh_hash: Some(verifier(1).hash()),
        cookie_hash: None,
        grant: Some(Grant {
            client_id: "shop".to_owned(),
            scope: "openid email".to_owned(),
            auth_time: FIXTURE_TIME,
        }),
        device: "a browser".to_owned(),
        address: Some("192.0.2.7".to_owned()),
        authenticated_at: Some(FIXTURE_TIME),
        created_at: FIXTURE_TIME,
        used_at: FIXTURE_TIME,
        expires_at,
        revoked_at: None,
        version: Version::FIRST,
    }
}

pub(in crate::conformance) fn token(name: &str, user: UserId) -> ApiToken {
    ApiToken {
        id: id(name),
        user_id: user,
        organization_id: None,
        name: DisplayName::parse(name).unwrap(),
        scopes: Scopes::all(),
        hash: verifier(2).hash(),
        created_at: FIXTURE_TIME,
        expires_at: Some(later(3_600)),
        used_at: None,
    }
}

pub(in crate::conformance) fn security_event(name: &str, user: UserId, at: Timestamp) -> SecurityEvent {
    SecurityEvent {
        id: id(name),
        user_id: user,
        kind: SecurityEventKind::RefreshReused,
        session_id: Some(id("s")),
        address: None,
        device: String::new(),
        at,
    }
}

/// Cutoffs that delete nothing.
pub(in crate::conformance) fn nothing() -> PruneCutoffs {
    let never = Timestamp::UNIX_EPOCH;
    PruneCutoffs {
        now: never,
        events: never,
        security_events: never,
        tasks: never,
        audit_events: None,
        usage: never,
    }
}

pub(in crate::conformance) fn audit(name: &str, action: &str, at: Timestamp) -> AuditEvent {
    AuditEvent {
        id: id::<EventId>(name),
        organization_id: acme(),
        actor: Actor { user_id: Some(id("owner")), session_id: Some(id("session")), token_id: None },
        action: action.to_owned(),
        resource: name.to_owned(),
        before: serde_json::Value::Null,
        after: serde_json::json!({ "name": name }),
        origin: Origin { address: None, device: "curl".to_owned(), request_id: "r1".to_owned() },
        at,
    }
}
