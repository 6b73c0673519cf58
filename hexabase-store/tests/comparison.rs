//! Comparison of the SQL schema with the rules of records: SQLite and the store in memory over random changesets.
#![cfg(feature = "sqlite")]

use hexabase_core::conformance::comparison::{Step, content, results};
use hexabase_core::store::MemoryStore;
use hexabase_store::SqliteStore;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_schema_and_the_rules_have_the_same_effect(steps in prop::collection::vec(any::<Step>(), 1..80)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let sqlite = SqliteStore::in_memory().await.unwrap();
            let memory = MemoryStore::new();
            // A changeset that breaks several rules may fail by any of them.
            let succeeded = |results: Vec<Result<_, _>>| results.iter().map(Result::is_ok).collect::<Vec<_>>();
            let (left, right) = (results(&sqlite, &steps).await, results(&memory, &steps).await);
            prop_assert_eq!(succeeded(left), succeeded(right));
            prop_assert_eq!(content(&sqlite).await, content(&memory).await);
            Ok(())
        })?;
    }
}
