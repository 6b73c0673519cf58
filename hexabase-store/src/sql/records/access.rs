//! Groups, projects, roles and assignments.

use hexabase_core::error::Result;
use hexabase_core::model::{Assignment, CustomRole, Group, Membership, Project};

use crate::sql::cells::Cells;
use crate::sql::table::{Binder, Stored, Table};

impl Stored for Group {
    const TABLE: Table = Table {
        name: "workspace_groups",
        key: &["organization_id", "workspace_id", "id"],
        columns: &["name", "parent_id", "preset", "created_at", "updated_at", "version", "search_text"],
    };

    fn bind(&self, row: &mut Binder) -> Result<()> {
        row.text(self.organization_id).text(self.workspace_id).text(self.id).text(&self.name);
        row.text_or_null(self.parent_id).text_or_null(self.preset);
        row.time(self.created_at).time(self.updated_at).version(self.version)?.text(self.searchable());
        Ok(())
    }

    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        let group = Self {
            organization_id: cells.parse()?,
            workspace_id: cells.parse()?,
            id: cells.parse()?,
            name: cells.parse()?,
            parent_id: cells.parse_or_null()?,
            preset: cells.parse_or_null()?,
            created_at: cells.time()?,
            updated_at: cells.time()?,
            version: cells.version()?,
        };
        cells.skip();
        Ok(group)
    }
}

impl Stored for Membership {
    const TABLE: Table = Table {
        name: "group_members",
        key: &["organization_id", "workspace_id", "group_id", "user_id"],
        columns: &["added_by", "created_at"],
    };

    fn bind(&self, row: &mut Binder) -> Result<()> {
        row.text(self.organization_id).text(self.workspace_id).text(self.group_id).text(self.user_id);
        row.text(self.added_by).time(self.created_at);
        Ok(())
    }

    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        Ok(Self {
            organization_id: cells.parse()?,
            workspace_id: cells.parse()?,
            group_id: cells.parse()?,
            user_id: cells.parse()?,
            added_by: cells.parse()?,
            created_at: cells.time()?,
        })
    }
}

impl Stored for Project {
    const TABLE: Table = Table {
        name: "projects",
        key: &["organization_id", "workspace_id", "id"],
        columns: &[
            "name",
            "display_name",
            "parent_id",
            "quota",
            "generation",
            "created_by",
            "created_at",
            "updated_at",
            "version",
            "search_text",
        ],
    };

    fn bind(&self, row: &mut Binder) -> Result<()> {
        row.text(self.organization_id).text(self.workspace_id).text(self.id).text(&self.name);
        row.text_or_null(self.display_name.as_ref()).text_or_null(self.parent_id).json(&self.quota)?;
        row.number(self.generation)?.text(self.created_by);
        row.time(self.created_at).time(self.updated_at).version(self.version)?.text(self.searchable());
        Ok(())
    }

    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        let project = Self {
            organization_id: cells.parse()?,
            workspace_id: cells.parse()?,
            id: cells.parse()?,
            name: cells.parse()?,
            display_name: cells.parse_or_null()?,
            parent_id: cells.parse_or_null()?,
            quota: cells.json()?,
            generation: cells.number()?,
            created_by: cells.parse()?,
            created_at: cells.time()?,
            updated_at: cells.time()?,
            version: cells.version()?,
        };
        cells.skip();
        Ok(project)
    }
}

impl Stored for CustomRole {
    const TABLE: Table = Table {
        name: "project_roles",
        key: &["organization_id", "workspace_id", "id"],
        columns: &["project_id", "name", "rules", "created_at", "updated_at", "version"],
    };

    fn bind(&self, row: &mut Binder) -> Result<()> {
        row.text(self.organization_id).text(self.workspace_id).text(self.id);
        row.text(self.project_id).text(&self.name).json(&self.rules)?;
        row.time(self.created_at).time(self.updated_at).version(self.version)?;
        Ok(())
    }

    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        Ok(Self {
            organization_id: cells.parse()?,
            workspace_id: cells.parse()?,
            id: cells.parse()?,
            project_id: cells.parse()?,
            name: cells.parse()?,
            rules: cells.json()?,
            created_at: cells.time()?,
            updated_at: cells.time()?,
            version: cells.version()?,
        })
    }
}

impl Stored for Assignment {
    const TABLE: Table = Table {
        name: "role_assignments",
        key: &["organization_id", "workspace_id", "id"],
        columns: &["project_id", "group_id", "role", "created_by", "created_at"],
    };

    fn bind(&self, row: &mut Binder) -> Result<()> {
        row.text(self.organization_id).text(self.workspace_id).text(self.id).text_or_null(self.project_id);
        row.text(self.group_id).text(self.role).text(self.created_by).time(self.created_at);
        Ok(())
    }

    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        Ok(Self {
            organization_id: cells.parse()?,
            workspace_id: cells.parse()?,
            id: cells.parse()?,
            project_id: cells.parse_or_null()?,
            group_id: cells.parse()?,
            role: cells.parse()?,
            created_by: cells.parse()?,
            created_at: cells.time()?,
        })
    }
}
