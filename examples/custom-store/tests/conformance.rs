//! The conformance suites of key-value stores and of the system of record, on files.

use hexabase_core::changeset::Changeset;
use hexabase_core::fixture;
use hexabase_core::store::{Commit as _, KvTenantStore, UserStore as _};
use hexabase_custom_store::FileStore;

mod file_store {
    use super::FileStore;

    hexabase_core::key_value_store_conformance!(async {
        let folder = tempfile::tempdir().unwrap();
        (FileStore::open(folder.path().join("tenants.redb")).unwrap(), folder)
    });
}

mod tenant_store {
    use super::{FileStore, KvTenantStore};

    hexabase_core::tenant_store_conformance!(async {
        let folder = tempfile::tempdir().unwrap();
        let file = FileStore::open(folder.path().join("tenants.redb")).unwrap();
        (KvTenantStore::over(file), folder)
    });
}

#[tokio::test]
async fn commits_are_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tenants.redb");
    let user = fixture::user("ann");
    {
        let store = KvTenantStore::over(FileStore::open(&path).unwrap());
        store.commit(Changeset::new().insert(user.clone())).await.unwrap();
        assert!(FileStore::open(&path).is_err(), "one process opens the file at a time");
    }
    let store = KvTenantStore::over(FileStore::open(&path).unwrap());
    assert_eq!(store.find_user(user.id).await.unwrap(), Some(user));
}
