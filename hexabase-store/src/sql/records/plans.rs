//! Plans that an operator changed.

use hexabase_core::error::Result;
use hexabase_core::model::StoredPlans;
use hexabase_core::plans::ReadablePlans;

use crate::sql::cells::Cells;
use crate::sql::table::{Binder, Stored, Table};

/// Key of the only row.
pub(in crate::sql) const PLANS_ID: &str = "plans";

impl Stored for StoredPlans {
    const TABLE: Table = Table {
        name: "plans",
        key: &["id"],
        columns: &["plans", "configured", "updated_by", "updated_at", "version"],
    };

    fn bind(&self, row: &mut Binder) -> Result<()> {
        row.text(PLANS_ID).json(&self.plans)?.json(&self.configured)?.text_or_null(self.updated_by);
        row.time(self.updated_at).version(self.version)?;
        Ok(())
    }

    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        cells.skip();
        let ReadablePlans { plans, unknown } = cells.json()?;
        Ok(Self {
            plans,
            configured: cells.json::<ReadablePlans>()?.plans,
            updated_by: cells.parse_or_null()?,
            updated_at: cells.time()?,
            version: cells.version()?,
            unknown,
        })
    }
}
