use hexabase_core::ErrorKind;
use hexabase_core::fixture;
use hexabase_core::store::{OrganizationStore as _, WorkspaceStore as _};
use hexabase_test_servers::Postgres;

use super::{PostgresSettings, PostgresStore, migrations};

/// An organization with a workspace, as the first version knew them.
fn seed() -> String {
    let (organization, workspace) = (fixture::organization("acme"), fixture::workspace("dev"));
    let status = serde_json::to_string(&workspace.status).unwrap();
    format!(
        "INSERT INTO organizations (id, name, display_name, personal, plan_id, created_by, created_at, updated_at, \
         version) VALUES ('{org}', 'acme', 'Acme', false, 'starter', '{by}', now(), now(), 1); \
         INSERT INTO workspaces (organization_id, id, name, plan_id, kubernetes_version, power, host_cluster, \
         generation, access_version, status, created_by, created_at, updated_at, version) \
         VALUES ('{org}', '{ws}', 'dev', 'starter', '1.36', 'running', 'local', 1, 1, '{status}', '{by}', now(), now(), 1)",
        org = organization.id,
        ws = workspace.id,
        by = organization.created_by,
    )
}

#[tokio::test]
async fn a_database_of_every_earlier_version_is_brought_up_to_date_with_what_is_in_it() {
    let server = Postgres::shared();
    let newest = migrations::versions().max().unwrap();
    for version in migrations::versions() {
        let database = server.database().await;
        let settings = PostgresSettings::new(server.url_of(&database));
        PostgresStore::migrate_to(&settings, Some(version)).await.unwrap();
        server.execute(&database, &seed()).await;
        if version < newest {
            let error = PostgresStore::connect(&settings).await.unwrap_err();
            assert_eq!(error.code(), "schema_drift", "a program does not work with tables that are too old");
            assert_eq!(error.kind(), ErrorKind::Conflict);
        }
        PostgresStore::migrate(&settings).await.unwrap();
        let store = PostgresStore::connect(&settings).await.unwrap();
        let (organization, workspace) = (fixture::organization("acme"), fixture::workspace("dev"));
        assert!(store.find_organization(organization.id).await.unwrap().is_some());
        assert!(store.find_workspace(organization.id, workspace.id).await.unwrap().is_some());
    }
}
