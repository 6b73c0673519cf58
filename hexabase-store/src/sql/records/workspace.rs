//! Workspaces and their tasks.

use hexabase_core::error::Result;
use hexabase_core::model::{Task, Workspace};

use crate::sql::cells::Cells;
use crate::sql::table::{Binder, Stored, Table};

impl Stored for Workspace {
    const TABLE: Table = Table {
        name: "workspaces",
        key: &["organization_id", "id"],
        columns: &[
            "name",
            "display_name",
            "plan_id",
            "region",
            "kubernetes_version",
            "power",
            "suspension_reason",
            "organization_suspended",
            "node_pools",
            "gitops",
            "access_revocations",
            "retired_group_names",
            "deletion_requested_at",
            "host_cluster",
            "generation",
            "access_version",
            "status",
            "reconcile_at",
            "created_by",
            "created_at",
            "updated_at",
            "version",
            "phase",
            "unconverged_since",
            "search_text",
        ],
    };

    fn bind(&self, row: &mut Binder) -> Result<()> {
        row.text(self.organization_id)
            .text(self.id)
            .text(&self.name)
            .text_or_null(self.display_name.as_ref());
        row.text(&self.plan_id).text_or_null(self.region.as_ref()).text(&self.kubernetes_version);
        row.text(self.power)
            .text_or_null(self.suspension_reason)
            .bool(self.organization_suspended)
            .json(&self.node_pools)?
            .json(&self.gitops)?
            .json(&self.access_revocations)?
            .json(&self.retired_group_names)?
            .time_or_null(self.deletion_requested_at)
            .text(&self.host_cluster);
        row.number(self.generation)?.number(self.access_version)?.json(&self.status)?;
        row.time_or_null(self.reconcile_at).text(self.created_by);
        row.time(self.created_at)
            .time(self.updated_at)
            .version(self.version)?
            .text(self.status.phase)
            .time_or_null(self.unconverged_since())
            .text(self.searchable());
        Ok(())
    }

    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        let workspace = Self {
            organization_id: cells.parse()?,
            id: cells.parse()?,
            name: cells.parse()?,
            display_name: cells.parse_or_null()?,
            plan_id: cells.parse()?,
            region: cells.parse_or_null()?,
            kubernetes_version: cells.parse()?,
            power: cells.parse()?,
            suspension_reason: cells.parse_or_null()?,
            organization_suspended: cells.bool()?,
            node_pools: cells.json()?,
            gitops: cells.json()?,
            access_revocations: cells.json()?,
            retired_group_names: cells.json()?,
            deletion_requested_at: cells.time_or_null()?,
            host_cluster: cells.parse()?,
            generation: cells.number()?,
            access_version: cells.number()?,
            status: cells.json()?,
            reconcile_at: cells.time_or_null()?,
            created_by: cells.parse()?,
            created_at: cells.time()?,
            updated_at: cells.time()?,
            version: cells.version()?,
        };
        cells.skip();
        cells.skip();
        cells.skip();
        Ok(workspace)
    }
}

impl Stored for Task {
    const TABLE: Table = Table {
        name: "tasks",
        key: &["organization_id", "workspace_id", "id"],
        columns: &[
            "kind",
            "state",
            "generation",
            "steps",
            "attempts",
            "last_error",
            "created_by",
            "created_at",
            "updated_at",
            "finished_at",
            "version",
        ],
    };

    fn bind(&self, row: &mut Binder) -> Result<()> {
        row.text(self.organization_id).text(self.workspace_id).text(self.id);
        row.text(self.kind).text(self.state).number(self.generation)?.json(&self.steps)?;
        row.number(self.attempts)?.text(&self.last_error).text(self.created_by);
        row.time(self.created_at).time(self.updated_at).time_or_null(self.finished_at);
        row.version(self.version)?;
        Ok(())
    }

    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        Ok(Self {
            organization_id: cells.parse()?,
            workspace_id: cells.parse()?,
            id: cells.parse()?,
            kind: cells.parse()?,
            state: cells.parse()?,
            generation: cells.number()?,
            steps: cells.json()?,
            attempts: cells.number()?,
            last_error: cells.string()?,
            created_by: cells.parse()?,
            created_at: cells.time()?,
            updated_at: cells.time()?,
            finished_at: cells.time_or_null()?,
            version: cells.version()?,
        })
    }
}
