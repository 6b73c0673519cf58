//! Commit on SQLite, compared with the same statements executed directly.

#![expect(clippy::unwrap_used, reason = "benchmarks fail by panicking")]

use hexabase_benches::{Target, alternate, report};
use hexabase_core::changeset::Changeset;
use hexabase_core::fixture::{self, FIXTURE_TIME, id};
use hexabase_core::id::{EventId, GroupId, TypedId as _};
use hexabase_core::id_source::{IdSource as _, SystemIds};
use hexabase_core::model::{Actor, AuditEvent, Group, Origin, Workspace};
use hexabase_core::store::Commit as _;
use hexabase_store::SqliteStore;
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};

const UPDATE_WORKSPACE: &str = "UPDATE workspaces SET name = ?, display_name = ?, plan_id = ?, region = ?, \
    kubernetes_version = ?, power = ?, deletion_requested_at = ?, host_cluster = ?, generation = ?, \
    access_version = ?, status = ?, reconcile_at = ?, created_by = ?, created_at = ?, updated_at = ?, version = ? \
    WHERE organization_id = ? AND id = ? AND version = ?";
const UPDATE_GROUP: &str = "UPDATE workspace_groups SET name = ?, parent_id = ?, preset = ?, created_at = ?, \
    updated_at = ?, version = ? WHERE organization_id = ? AND workspace_id = ? AND id = ?";
const INSERT_AUDIT: &str = "INSERT INTO audit_events (organization_id, id, actor_user_id, actor_session_id, \
    actor_token_id, action, resource, before, after, address, device, request_id, at) \
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let (database, direct_database) = (directory.path().join("ours.db"), directory.path().join("direct.db"));
    let store = runtime.block_on(async {
        let direct_store = SqliteStore::open(&direct_database).await.unwrap();
        let store = SqliteStore::open(&database).await.unwrap();
        for each in [&store, &direct_store] {
            let organization = Changeset::new().insert(fixture::organization("acme"));
            each.commit(organization.insert(fixture::workspace("dev")).insert(fixture::group("web")))
                .await
                .unwrap();
        }
        store
    });
    let mut connection = runtime.block_on(async {
        let options = SqliteConnectOptions::new().filename(&direct_database).foreign_keys(true);
        let options = options.journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Full);
        SqliteConnection::connect_with(&options).await.unwrap()
    });

    let ids = SystemIds::default();
    let (mut workspace, mut group) = (fixture::workspace("dev"), fixture::group("web"));
    let (mut direct_workspace, mut direct_group) = (workspace.clone(), group.clone());
    let comparison = alternate(
        || {
            let next = Group { version: group.version.next(), ..group.clone() };
            let entry = entry(&ids, &group, &next);
            let change =
                Changeset::new().update(next.clone()).workspace(workspace.clone(), FIXTURE_TIME).audit(entry);
            runtime.block_on(store.commit(change)).unwrap();
            workspace.version = workspace.version.next();
            group = next;
        },
        || {
            let next = Group { version: direct_group.version.next(), ..direct_group.clone() };
            let entry = entry(&ids, &direct_group, &next);
            runtime.block_on(commit_directly(&mut connection, &mut direct_workspace, &next, &entry));
            direct_group = next;
        },
    );
    report(
        "commit of a group update on SQLite",
        "the same statements, executed directly",
        comparison,
        Target::TimesFloor(1.5),
    );
}

fn entry(ids: &SystemIds, before: &Group, after: &Group) -> AuditEvent {
    AuditEvent {
        id: EventId::from_uuid(ids.uuid(FIXTURE_TIME)),
        organization_id: before.organization_id,
        actor: Actor { user_id: Some(id("owner")), session_id: None, token_id: None },
        action: "group.update".to_owned(),
        resource: format!("{}/{}", before.workspace_id, id::<GroupId>("web")),
        before: serde_json::to_value(before).unwrap(),
        after: serde_json::to_value(after).unwrap(),
        origin: Origin::default(),
        at: FIXTURE_TIME,
    }
}

async fn commit_directly(
    connection: &mut SqliteConnection,
    workspace: &mut Workspace,
    group: &Group,
    entry: &AuditEvent,
) {
    let number = |number: u64| i64::try_from(number).unwrap();
    let before = workspace.version;
    workspace.version = before.next();
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let changed = sqlx::query(UPDATE_WORKSPACE)
        .bind(workspace.name.as_str())
        .bind(None::<String>)
        .bind(workspace.plan_id.as_str())
        .bind(None::<String>)
        .bind(workspace.kubernetes_version.as_str())
        .bind("running")
        .bind(None::<i64>)
        .bind(workspace.host_cluster.as_str())
        .bind(number(workspace.generation))
        .bind(number(workspace.access_version))
        .bind(serde_json::to_string(&workspace.status).unwrap())
        .bind(workspace.reconcile_at.map(|at| at.as_microsecond()))
        .bind(workspace.created_by.to_string())
        .bind(FIXTURE_TIME.as_microsecond())
        .bind(FIXTURE_TIME.as_microsecond())
        .bind(number(workspace.version.number()))
        .bind(workspace.organization_id.to_string())
        .bind(workspace.id.to_string())
        .bind(number(before.number()))
        .execute(&mut *transaction)
        .await
        .unwrap();
    assert_eq!(changed.rows_affected(), 1);
    sqlx::query(UPDATE_GROUP)
        .bind(group.name.as_str())
        .bind(None::<String>)
        .bind(None::<String>)
        .bind(FIXTURE_TIME.as_microsecond())
        .bind(FIXTURE_TIME.as_microsecond())
        .bind(number(group.version.number()))
        .bind(group.organization_id.to_string())
        .bind(group.workspace_id.to_string())
        .bind(group.id.to_string())
        .execute(&mut *transaction)
        .await
        .unwrap();
    sqlx::query(INSERT_AUDIT)
        .bind(entry.organization_id.to_string())
        .bind(entry.id.to_string())
        .bind(entry.actor.user_id.map(|user| user.to_string()))
        .bind(None::<String>)
        .bind(None::<String>)
        .bind(&entry.action)
        .bind(&entry.resource)
        .bind(entry.before.to_string())
        .bind(entry.after.to_string())
        .bind(None::<String>)
        .bind("")
        .bind("")
        .bind(FIXTURE_TIME.as_microsecond())
        .execute(&mut *transaction)
        .await
        .unwrap();
    transaction.commit().await.unwrap();
}
