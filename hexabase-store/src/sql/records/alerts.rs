//! Alert rules.

use hexabase_core::error::Result;
use hexabase_core::model::AlertRule;

use crate::sql::cells::Cells;
use crate::sql::table::{Binder, Stored, Table};

impl Stored for AlertRule {
    const TABLE: Table = Table {
        name: "alert_rules",
        key: &["organization_id", "workspace_id", "id"],
        columns: &[
            "project_id",
            "name",
            "condition",
            "severity",
            "notify",
            "created_by",
            "created_at",
            "updated_at",
            "version",
        ],
    };

    fn bind(&self, row: &mut Binder) -> Result<()> {
        row.text(self.organization_id).text(self.workspace_id).text(self.id).text_or_null(self.project_id);
        row.text(&self.name).json(&self.condition)?.text(self.severity).json(&self.notify)?;
        row.text(self.created_by).time(self.created_at).time(self.updated_at).version(self.version)?;
        Ok(())
    }

    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        Ok(Self {
            organization_id: cells.parse()?,
            workspace_id: cells.parse()?,
            id: cells.parse()?,
            project_id: cells.parse_or_null()?,
            name: cells.parse()?,
            condition: cells.json()?,
            severity: cells.parse()?,
            notify: cells.json()?,
            created_by: cells.parse()?,
            created_at: cells.time()?,
            updated_at: cells.time()?,
            version: cells.version()?,
        })
    }
}
