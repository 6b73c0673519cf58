use async_trait::async_trait;
use hexabase_core::error::{Error, Result};
use hexabase_core::store::{SealedKind, SealedStore, SealedValue};

use super::statement::{Query, Value};
use super::work::sql_limit;
use super::{Cells, Engine, SqlStore};

/// Table with sealed data: its name, the columns of its key, and the column of the sealed data.
struct SealedTable {
    name: &'static str,
    key: &'static [&'static str],
    sealed: &'static str,
    /// Condition for the records that have sealed data.
    condition: &'static str,
    /// Further assignment of a change.
    and_set: &'static str,
}

const fn table<E: Engine>(kind: SealedKind) -> SealedTable {
    match kind {
        SealedKind::SigningKeys => SealedTable {
            name: "signing_keys",
            key: &["kid"],
            sealed: "sealed_private",
            condition: "",
            and_set: "",
        },
        SealedKind::Kubeconfigs => SealedTable {
            name: "hosts",
            key: &["name"],
            sealed: "sealed_kubeconfig",
            condition: "",
            // A concurrent change of the host read the old data, and must not write it back.
            and_set: ", version = version + 1",
        },
        SealedKind::Responses => SealedTable {
            name: "idempotency",
            key: &["user_id", "key"],
            sealed: "response",
            condition: "",
            and_set: "",
        },
        SealedKind::Mails => SealedTable {
            name: E::SEALED_MAILS,
            key: &["id"],
            sealed: "payload",
            condition: "topic = 'mail' AND ",
            and_set: "",
        },
    }
}

impl SealedTable {
    /// Binds the parts of a key, which [`SealedValue::key`] separates by slashes.
    fn bind_key(&self, query: Query, key: &str) -> Result<Query> {
        let parts: Vec<&str> = key.splitn(self.key.len(), '/').collect();
        if parts.len() != self.key.len() {
            return Err(Error::invalid("key", "must be a key of this kind"));
        }
        Ok(parts.into_iter().fold(query, Query::text))
    }

    fn placeholders(&self) -> String {
        (1..=self.key.len()).map(|number| format!("${number}")).collect::<Vec<_>>().join(", ")
    }
}

#[async_trait]
impl<E: Engine> SealedStore for SqlStore<E> {
    async fn list_sealed(
        &self,
        kind: SealedKind,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<SealedValue>> {
        let table = table::<E>(kind);
        let SealedTable { name, sealed, condition, .. } = table;
        let key = table.key.join(", ");
        let first = vec![""; table.key.len()].join("/");
        let query = Query::assembled(format!(
            "SELECT {key}, {sealed} FROM {name} WHERE {condition}({key}) > ({}) ORDER BY {key} LIMIT {}",
            table.placeholders(),
            sql_limit(limit),
        ));
        let rows = self.0.fetch(table.bind_key(query, &after.unwrap_or(first))?).await?;
        let read = |row: &E::Row| {
            let mut cells = Cells::new(row);
            let parts: Vec<String> = table.key.iter().map(|_| cells.string()).collect::<Result<_>>()?;
            Ok(SealedValue { key: parts.join("/"), sealed: cells.bytes()? })
        };
        rows.iter().map(read).collect()
    }

    async fn replace_sealed(&self, kind: SealedKind, listed: &SealedValue, new: Vec<u8>) -> Result<bool> {
        let table = table::<E>(kind);
        let SealedTable { name, sealed, and_set, .. } = table;
        let count = table.key.len();
        let query = Query::assembled(format!(
            "UPDATE {name} SET {sealed} = ${new}{and_set} WHERE ({key}) = ({values}) AND {sealed} = ${old}",
            key = table.key.join(", "),
            values = table.placeholders(),
            old = count + 1,
            new = count + 2,
        ));
        let query = table.bind_key(query, &listed.key)?;
        let query = query.bind(Value::Bytes(listed.sealed.clone())).bind(Value::Bytes(new));
        Ok(self.0.execute(query).await? > 0)
    }
}
