//! Reads, commits and pages on PostgreSQL, compared with the same statements without Hexabase; and the cost of
//! row-level security.

#![expect(clippy::unwrap_used, reason = "benchmarks fail by panicking")]

use hexabase_benches::{Target, alternate, other_workspaces, report, scoped};
use hexabase_core::changeset::Changeset;
use hexabase_core::fixture::{self, FIXTURE_TIME, id};
use hexabase_core::id::{EventId, OrganizationId, TypedId as _, UserId, WorkspaceId};
use hexabase_core::id_source::{IdSource as _, SystemIds};
use hexabase_core::model::{Actor, AuditEvent, Group, Organization, OrganizationRole, Origin, Workspace};
use hexabase_core::name::Slug;
use hexabase_core::page::PageRequest;
use hexabase_core::search::WorkspaceFilter;
use hexabase_core::store::{Commit as _, OrganizationStore as _, WorkspaceStore as _};
use hexabase_store::{PostgresConfig, PostgresStore};
use hexabase_test_servers::Postgres;
use serde_json::Value;
use sqlx::postgres::{PgConnectOptions, PgRow};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection, Row as _};
use tokio::runtime::Runtime;

const COLUMNS: &str = "organization_id, id, name, display_name, plan_id, region, kubernetes_version, power, \
    deletion_requested_at, host_cluster, generation, access_version, status, reconcile_at, created_by, created_at, \
    updated_at, version";

/// Number of workspaces in the small database.
const SMALL_WORKSPACES: usize = 1_000;
/// Number of workspaces in the large database.
const LARGE_WORKSPACES: usize = 1_000_000;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let server = Postgres::start();
    point_read(&runtime, &server);
    commit(&runtime, &server);
    row_level_security(&runtime, &server);
    pages(&runtime, &server);
}

/// Creates a database with one workspace, and a store on it.
async fn create_database(server: &Postgres) -> (String, PostgresStore) {
    let database = server.database().await;
    let config = PostgresConfig::new(server.url_of(&database));
    PostgresStore::migrate(&config).await.unwrap();
    let store = PostgresStore::connect(&config).await.unwrap();
    let organization = Changeset::new().insert(fixture::organization("acme"));
    store.commit(organization.insert(fixture::workspace("dev")).insert(fixture::group("web"))).await.unwrap();
    (database, store)
}

/// Connects with the role of the programs, to which policies apply.
async fn connect_as_program(server: &Postgres, database: &str) -> PgConnection {
    let options: PgConnectOptions = server.url_of(database).parse().unwrap();
    options.options([("role", "hexabase_app")]).disable_statement_logging().connect().await.unwrap()
}

/// Connects as the superuser, to which no policies apply.
async fn connect_as_superuser(server: &Postgres, database: &str) -> PgConnection {
    let options: PgConnectOptions = server.url_of(database).parse().unwrap();
    options.disable_statement_logging().connect().await.unwrap()
}

/// Workspace as a program that only uses the driver would read it: decoded, but not validated.
struct PlainWorkspace {
    texts: [Option<String>; 10],
    numbers: [i64; 3],
    times: [Option<i64>; 4],
    status: Value,
}

impl PlainWorkspace {
    fn read(row: &PgRow) -> Self {
        let text = |column: usize| row.get::<Option<String>, _>(column);
        let number = |column: usize| row.get::<i64, _>(column);
        // The driver's own types for times would do no more than this.
        let time = |column: usize| row.get_unchecked::<Option<i64>, _>(column);
        let status = row.try_get_raw(12).unwrap();
        Self {
            texts: [0, 1, 2, 3, 4, 5, 6, 7, 9, 14].map(text),
            numbers: [10, 11, 17].map(number),
            times: [8, 13, 15, 16].map(time),
            status: serde_json::from_slice(status.as_bytes().unwrap()).unwrap(),
        }
    }

    fn is_complete(&self) -> bool {
        self.texts[0].is_some() && self.numbers[2] > 0 && self.times[2].is_some() && self.status.is_object()
    }
}

fn point_read(runtime: &Runtime, server: &Postgres) {
    let (database, store) = runtime.block_on(create_database(server));
    let mut connection = runtime.block_on(connect_as_program(server, &database));
    let (org, ws): (OrganizationId, WorkspaceId) = (id("acme"), id("dev"));
    let (org_text, ws_text) = (org.to_string(), ws.to_string());
    let sql =
        scoped(&format!("SELECT {COLUMNS} FROM workspaces WHERE organization_id = scope.id AND id = $2"));
    let comparison = alternate(
        || assert!(runtime.block_on(store.find_workspace(org, ws)).unwrap().is_some()),
        || {
            let query = sqlx::query(AssertSqlSafe(sql.clone())).bind(&org_text).bind(&ws_text);
            assert!(
                PlainWorkspace::read(&runtime.block_on(query.fetch_one(&mut connection)).unwrap())
                    .is_complete()
            );
        },
    );
    report(
        "read of a workspace on PostgreSQL",
        "the same statement through the driver",
        comparison,
        Target::TimesFloor(1.25),
    );
}

/// Update of a group as the services make it.
struct GroupUpdate {
    ids: SystemIds,
    workspace: Workspace,
    group: Group,
}

impl GroupUpdate {
    fn new() -> Self {
        Self { ids: SystemIds::default(), workspace: fixture::workspace("dev"), group: fixture::group("web") }
    }

    fn next(&mut self) -> (Changeset, Workspace, Group, AuditEvent) {
        let next = Group { version: self.group.version.next(), ..self.group.clone() };
        let entry = AuditEvent {
            id: EventId::from_uuid(self.ids.uuid(FIXTURE_TIME)),
            organization_id: next.organization_id,
            actor: Actor { user_id: Some(id("owner")), session_id: None, token_id: None },
            action: "group.update".to_owned(),
            resource: next.id.to_string(),
            before: serde_json::to_value(&self.group).unwrap(),
            after: serde_json::to_value(&next).unwrap(),
            origin: Origin::default(),
            at: FIXTURE_TIME,
        };
        let before = self.workspace.clone();
        let changeset = Changeset::new()
            .update(next.clone())
            .workspace(before.clone(), FIXTURE_TIME)
            .audit(entry.clone());
        self.workspace.version = before.version.next();
        self.group = next.clone();
        (changeset, before, next, entry)
    }
}

fn commit(runtime: &Runtime, server: &Postgres) {
    let (_, store) = runtime.block_on(create_database(server));
    let (direct_database, _) = runtime.block_on(create_database(server));
    let mut connection = runtime.block_on(connect_as_superuser(server, &direct_database));
    let (mut ours, mut direct) = (GroupUpdate::new(), GroupUpdate::new());
    let comparison = alternate(
        || runtime.block_on(store.commit(ours.next().0)).unwrap(),
        || {
            let (_, before, group, entry) = direct.next();
            runtime.block_on(commit_directly(&mut connection, &before, &group, &entry));
        },
    );
    let floor = "the same statements in a transaction, without Hexabase";
    report("commit of a group update on PostgreSQL", floor, comparison, Target::TimesFloor(1.3));
}

async fn commit_directly(
    connection: &mut PgConnection,
    before: &Workspace,
    group: &Group,
    entry: &AuditEvent,
) {
    let number = |number: u64| i64::try_from(number).unwrap();
    let mut transaction = connection.begin().await.unwrap();
    let workspace = "UPDATE workspaces SET name = $3, display_name = $4, plan_id = $5, region = $6, \
        kubernetes_version = $7, power = $8, deletion_requested_at = NULL, host_cluster = $9, generation = $10, \
        access_version = $11, status = $12::json, reconcile_at = now(), created_by = $13, created_at = now(), \
        updated_at = now(), version = $14 WHERE organization_id = $1 AND id = $2 AND version = $15";
    let changed = sqlx::query(workspace)
        .bind(before.organization_id.to_string())
        .bind(before.id.to_string())
        .bind(before.name.as_str())
        .bind(None::<String>)
        .bind(before.plan_id.as_str())
        .bind(None::<String>)
        .bind(before.kubernetes_version.as_str())
        .bind("running")
        .bind(before.host_cluster.as_str())
        .bind(number(before.generation))
        .bind(number(before.access_version))
        .bind(serde_json::to_string(&before.status).unwrap())
        .bind(before.created_by.to_string())
        .bind(number(before.version.next().number()))
        .bind(number(before.version.number()))
        .execute(&mut *transaction)
        .await
        .unwrap();
    assert_eq!(changed.rows_affected(), 1);
    let update = "UPDATE workspace_groups SET name = $4, parent_id = $5, preset = $6, created_at = now(), \
        updated_at = now(), version = $7 WHERE organization_id = $1 AND workspace_id = $2 AND id = $3";
    sqlx::query(update)
        .bind(group.organization_id.to_string())
        .bind(group.workspace_id.to_string())
        .bind(group.id.to_string())
        .bind(group.name.as_str())
        .bind(None::<String>)
        .bind(None::<String>)
        .bind(number(group.version.number()))
        .execute(&mut *transaction)
        .await
        .unwrap();
    let insert = "INSERT INTO audit_events VALUES ($1, $2, $3, $4, $5, $6, $7, $8::json, $9::json, $10, $11, $12, now())";
    sqlx::query(insert)
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
        .execute(&mut *transaction)
        .await
        .unwrap();
    transaction.commit().await.unwrap();
}

/// Compares the store on a database with policies and on a database without.
fn row_level_security(runtime: &Runtime, server: &Postgres) {
    let (_, with) = runtime.block_on(create_database(server));
    let (database, without) = runtime.block_on(create_database(server));
    let remove = "DO $$ DECLARE t regclass; BEGIN FOR t IN SELECT oid FROM pg_class WHERE relrowsecurity LOOP \
                  EXECUTE format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY', t); END LOOP; END $$";
    runtime.block_on(server.execute(&database, remove));
    let (org, ws): (OrganizationId, WorkspaceId) = (id("acme"), id("dev"));
    let read = |store: &PostgresStore| {
        assert!(runtime.block_on(store.find_workspace(org, ws)).unwrap().is_some());
    };
    let comparison = alternate(|| read(&with), || read(&without));
    report("read with row-level security", "without", comparison, Target::TimesFloor(1.15));
    let (mut ours, mut direct) = (GroupUpdate::new(), GroupUpdate::new());
    let comparison = alternate(
        || runtime.block_on(with.commit(ours.next().0)).unwrap(),
        || runtime.block_on(without.commit(direct.next().0)).unwrap(),
    );
    report("commit with row-level security", "without", comparison, Target::TimesFloor(1.15));
}

/// Fills a database with workspaces of other organizations, an organization with 1,000 workspaces, and a user with 50
/// organizations.
async fn fill_database(server: &Postgres, workspaces: usize) -> PostgresStore {
    let (database, store) = create_database(server).await;
    server.execute(&database, &other_workspaces(workspaces)).await;
    for batch in (0..1_000).collect::<Vec<_>>().chunks(50) {
        let named = |number: &i32| {
            let mut workspace = fixture::workspace(&format!("mine-{number}"));
            workspace.name = Slug::parse(&format!("mine-{number}")).unwrap();
            workspace
        };
        let changeset =
            batch.iter().fold(Changeset::new(), |changeset, number| changeset.insert(named(number)));
        store.commit(changeset).await.unwrap();
    }
    let ann: UserId = id("ann");
    for number in 0..50 {
        let organization: Organization = fixture::organization(&format!("mine-{number}"));
        let member = fixture::member(organization.id, ann, OrganizationRole::Owner);
        store.commit(Changeset::new().insert(organization).insert(member)).await.unwrap();
    }
    store
}

fn pages(runtime: &Runtime, server: &Postgres) {
    let small = runtime.block_on(fill_database(server, SMALL_WORKSPACES));
    let large = runtime.block_on(fill_database(server, LARGE_WORKSPACES));
    let page = PageRequest::default();
    let workspaces = |store: &PostgresStore| {
        let found = runtime
            .block_on(store.list_workspaces(id("acme"), None, &WorkspaceFilter::default(), &page))
            .unwrap();
        assert_eq!(found.items.len(), 50);
    };
    let comparison = alternate(|| workspaces(&large), || workspaces(&small));
    let what = "page of 50 workspaces, with 1,000,000 in the database";
    report(what, "with 1,000", comparison, Target::TimesFloor(1.2));
    let organizations = |store: &PostgresStore| {
        let found = runtime.block_on(store.list_organizations(id("ann"), &page)).unwrap();
        assert_eq!(found.items.len(), 50);
    };
    let comparison = alternate(|| organizations(&large), || organizations(&small));
    let what = "list of a user's 50 organizations, with 100,000 in the database";
    report(what, "with 100", comparison, Target::TimesFloor(1.2));
}
