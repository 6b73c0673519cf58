//! Host clusters.

use hexabase_core::error::Result;
use hexabase_core::model::RegisteredHost;
use hexabase_core::placement::HostCluster;

use crate::sql::cells::Cells;
use crate::sql::table::{Binder, Stored, Table};

impl Stored for RegisteredHost {
    const TABLE: Table = Table {
        name: "hosts",
        key: &["name"],
        columns: &[
            "region",
            "labels",
            "cordoned",
            "capacity",
            "sandbox",
            "settings",
            "sealed_kubeconfig",
            "health",
            "created_at",
            "updated_at",
            "version",
        ],
    };

    fn bind(&self, row: &mut Binder) -> Result<()> {
        let host = &self.host;
        row.text(&host.name).text_or_null(host.region.as_ref()).json(&host.labels)?;
        row.bool(host.cordoned).number(host.capacity)?.bool(host.sandbox);
        row.json(&self.settings)?.bytes(&self.sealed_kubeconfig).json(&self.health)?;
        row.time(self.created_at).time(self.updated_at).version(self.version)?;
        Ok(())
    }

    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        Ok(Self {
            host: HostCluster {
                name: cells.parse()?,
                region: cells.parse_or_null()?,
                labels: cells.json()?,
                cordoned: cells.bool()?,
                capacity: cells.number()?,
                sandbox: cells.bool()?,
            },
            settings: cells.json()?,
            sealed_kubeconfig: cells.bytes()?,
            health: cells.json()?,
            created_at: cells.time()?,
            updated_at: cells.time()?,
            version: cells.version()?,
        })
    }
}
