use std::collections::BTreeMap;

use async_trait::async_trait;
use hexabase_core::error::Result;
use hexabase_core::id::{OrganizationId, TypedId as _, UserId};
use hexabase_core::model::{Inventory, Member, Organization, OrganizationCounts, ServiceAccount};
use hexabase_core::name::PlanId;
use hexabase_core::page::{Page, PageRequest};
use hexabase_core::store::OrganizationStore;

use super::statement::Query;
use super::table::{Stored as _, columns_of, select};
use super::{Cells, Engine, Reads as _, SqlStore, row_limit};

#[async_trait]
impl<E: Engine> OrganizationStore for SqlStore<E> {
    async fn find_organization(&self, id: OrganizationId) -> Result<Option<Organization>> {
        self.0.find_one(select::<Organization>("WHERE id = $1").for_organization(id)).await
    }

    async fn list_organizations(
        &self,
        user: UserId,
        page: &PageRequest,
    ) -> Result<Page<(Organization, Member)>> {
        let after = page.after_id::<OrganizationId>()?.unwrap_or(OrganizationId::least());
        let query = Query::assembled(format!(
            "SELECT {}, {} FROM members m JOIN organizations o ON o.id = m.organization_id \
             WHERE m.user_id = $1 AND m.organization_id > $2 ORDER BY m.organization_id LIMIT $3",
            columns_of::<Organization>("o"),
            columns_of::<Member>("m"),
        ));
        let rows = self.0.fetch(query.for_user(user).text(after).int(row_limit(page))).await?;
        let read = |row| {
            let mut cells = Cells::new(row);
            Ok((Organization::read(&mut cells)?, Member::read(&mut cells)?))
        };
        let found: Vec<(Organization, Member)> =
            rows.iter().map(|row| read(row as &dyn super::RawRow)).collect::<Result<_>>()?;
        Ok(page.page(found, |(organization, _)| organization.id.to_string()))
    }

    async fn count_organization(&self, id: OrganizationId) -> Result<OrganizationCounts> {
        let query = Query::new(
            "SELECT \
             (SELECT COUNT(*) FROM members m JOIN users u ON u.id = m.user_id \
              WHERE m.organization_id = $1 AND u.kind = 'person'), \
             (SELECT COUNT(*) FROM members m JOIN users u ON u.id = m.user_id \
              WHERE m.organization_id = $1 AND u.kind = 'person' AND m.role = 'owner'), \
             (SELECT COUNT(*) FROM invitations WHERE organization_id = $1), \
             (SELECT COUNT(*) FROM service_accounts WHERE organization_id = $1), \
             (SELECT COUNT(*) FROM workspaces WHERE organization_id = $1)",
        );
        let rows = self.0.fetch(query.for_organization(id)).await?;
        let Some(row) = rows.first() else { return Ok(OrganizationCounts::default()) };
        let mut cells = Cells::new(row);
        Ok(OrganizationCounts {
            members: cells.number()?,
            owners: cells.number()?,
            invitations: cells.number()?,
            service_accounts: cells.number()?,
            workspaces: cells.number()?,
        })
    }

    async fn count_created_organizations(&self, user: UserId) -> Result<u32> {
        let query =
            Query::new("SELECT COUNT(*) FROM organization_creators WHERE created_by = $1 AND NOT personal");
        let rows = self.0.fetch(query.text(user)).await?;
        rows.first().map_or(Ok(0), |row| Cells::new(row).number())
    }

    async fn count_created_workspaces(&self, user: UserId) -> Result<BTreeMap<PlanId, u32>> {
        let query = Query::new(
            "SELECT plan_id, COUNT(*) FROM workspace_creators WHERE created_by = $1 GROUP BY plan_id",
        );
        let rows = self.0.fetch(query.text(user)).await?;
        let read = |row: &E::Row| {
            let mut cells = Cells::new(row);
            Ok((cells.parse()?, cells.number()?))
        };
        rows.iter().map(read).collect()
    }

    async fn find_service_account(
        &self,
        organization: OrganizationId,
        id: UserId,
    ) -> Result<Option<ServiceAccount>> {
        self.0
            .find_one(
                select::<ServiceAccount>("WHERE organization_id = $1 AND id = $2")
                    .for_organization(organization)
                    .text(id),
            )
            .await
    }

    async fn list_service_accounts(
        &self,
        organization: OrganizationId,
        page: &PageRequest,
    ) -> Result<Page<(ServiceAccount, Member)>> {
        let after = page.after_id::<UserId>()?.unwrap_or(UserId::least());
        let query = Query::assembled(format!(
            "SELECT {}, {} FROM service_accounts s \
             JOIN members m ON m.organization_id = s.organization_id AND m.user_id = s.id \
             WHERE s.organization_id = $1 AND s.id > $2 ORDER BY s.id LIMIT $3",
            columns_of::<ServiceAccount>("s"),
            columns_of::<Member>("m"),
        ));
        let query = query.for_organization(organization).text(after).int(row_limit(page));
        let rows = self.0.fetch(query).await?;
        let read = |row| {
            let mut cells = Cells::new(row);
            Ok((ServiceAccount::read(&mut cells)?, Member::read(&mut cells)?))
        };
        let found: Vec<(ServiceAccount, Member)> =
            rows.iter().map(|row| read(row as &dyn super::RawRow)).collect::<Result<_>>()?;
        Ok(page.page(found, |(account, _)| account.id.to_string()))
    }

    async fn list_inventories(&self, organization: OrganizationId) -> Result<Vec<Inventory>> {
        let query = select::<Inventory>("WHERE organization_id = $1 ORDER BY name");
        self.0.find_all(query.for_organization(organization)).await
    }
}
