//! Comparison of the store with the one in memory over random changesets.

use hexabase_core::conformance::comparison::{Step, content, results};
use hexabase_core::store::{KvTenantStore, MemoryStore};
use hexabase_custom_store::FileStore;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_file_and_the_memory_have_the_same_content(steps in prop::collection::vec(any::<Step>(), 1..80)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let file = KvTenantStore::over(FileStore::open(folder.path().join("tenants.redb")).unwrap());
            let memory = MemoryStore::new();
            prop_assert_eq!(results(&file, &steps).await, results(&memory, &steps).await);
            prop_assert_eq!(content(&file).await, content(&memory).await);
            Ok(())
        })?;
    }
}
