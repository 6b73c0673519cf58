use super::setup::{acme, dev, later, nothing, populate};
use crate::changeset::{Changeset, RecordKey};
use crate::fixture::{self, FIXTURE_TIME, id};
use crate::id::{OrganizationId, WorkspaceId};
use crate::model::{
    BillingAccount, CustomerId, Hour, Meter, MeteredHour, PerMeter, Reading, UsageHour, UsageReport,
};
use crate::store::{MeteredWorkspace, PruneCutoffs, TenantStore};

fn hour() -> Hour {
    Hour::of(FIXTURE_TIME)
}

/// Usage of a workspace in an hour, with a different reading for every meter.
fn usage_hour(organization: &str, workspace: &str, hour: Hour, amount: u64) -> UsageHour {
    let readings =
        PerMeter::from_fn(|meter| Reading { amount: amount + meter as u64, minutes: 60 - meter as u64 });
    UsageHour { readings, ..UsageHour::empty(id(organization), id(workspace), hour) }
}

fn report(hour: Hour, amount: u64) -> UsageReport {
    let reported = PerMeter::from_fn(|meter| amount * 10 + meter as u64);
    UsageReport { reported, revision: amount, ..UsageReport::unreported(acme(), hour) }
}

/// Inserts the organizations `acme` and `other` with one workspace each; `other` is a customer.
async fn populate_two_organizations(store: &dyn TenantStore) {
    populate(store).await;
    let mut workspace = fixture::workspace("far");
    workspace.organization_id = id("other");
    let account = BillingAccount {
        customer_id: Some(CustomerId("cus_other".to_owned())),
        ..BillingAccount::new(id("other"), FIXTURE_TIME)
    };
    let changeset = Changeset::new()
        .insert(fixture::organization("other"))
        .insert(workspace)
        .insert(account)
        .insert(BillingAccount::new(acme(), FIXTURE_TIME));
    store.commit(changeset).await.unwrap();
}

fn sorted(mut ids: Vec<(OrganizationId, WorkspaceId)>) -> Vec<(OrganizationId, WorkspaceId)> {
    ids.sort_unstable();
    ids
}

/// `put` replaces an existing record, and otherwise inserts it.
pub async fn put_inserts_or_replaces(store: &dyn TenantStore) {
    populate(store).await;
    for amount in [100, 200] {
        let put = Changeset::new()
            .put(usage_hour("acme", "dev", hour(), amount))
            .put(report(hour(), amount))
            .put(usage_hour("acme", "gone", hour(), 7));
        store.commit(put).await.unwrap();
    }
    let found = store.list_usage(acme(), hour()).await.unwrap();
    let mut expected = [usage_hour("acme", "dev", hour(), 200), usage_hour("acme", "gone", hour(), 7)];
    expected.sort_by_key(|usage| usage.workspace_id);
    assert_eq!(found, expected);
    let reports = store.list_usage_reports(acme(), hour(), hour().after(1)).await.unwrap();
    assert_eq!(reports, [report(hour(), 200)]);
    let stray = Changeset::new().put(usage_hour("missing", "dev", hour(), 1));
    assert_eq!(store.commit(stray).await.unwrap_err().kind(), crate::ErrorKind::NotFound);
}

/// Existing workspaces are listed page by page, together with deleted ones that have usage.
pub async fn deleted_workspaces_are_listed_while_they_have_usage(store: &dyn TenantStore) {
    populate_two_organizations(store).await;
    let usage = Changeset::new()
        .put(usage_hour("acme", "gone", hour(), 1))
        .put(usage_hour("acme", "dev", hour(), 1))
        .put(usage_hour("other", "old", hour().after(-1), 1));
    store.commit(usage).await.unwrap();
    let existing = [(acme(), dev()), (id("other"), id("far"))];
    for (hour, also) in [(hour(), (acme(), id("gone"))), (hour().after(-1), (id("other"), id("old")))] {
        let expected = sorted(existing.iter().copied().chain([also]).collect());
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = store.list_metered(hour, after, 1).await.unwrap();
            let Some(found) = page.first() else { break };
            let MeteredWorkspace { organization_id, workspace_id, is_customer } = *found;
            assert_eq!(is_customer, organization_id == id("other"));
            after = Some((organization_id, workspace_id));
            seen.extend(after);
        }
        assert_eq!(seen, expected);
    }
    let all = store.list_metered(hour().after(5), None, 9).await.unwrap();
    assert_eq!(all.len(), 2);
}

/// Usage is summed for one organization, by workspace and by hour, from the first hour (inclusive) to the last
/// (exclusive).
pub async fn usage_is_summed_by_workspace_and_by_hour(store: &dyn TenantStore) {
    populate_two_organizations(store).await;
    let mut changeset = Changeset::new().put(usage_hour("other", "far", hour(), 9_000));
    for (workspace, hours, amount) in [("dev", 0, 100), ("dev", 1, 10), ("gone", 1, 1), ("dev", 2, 5_000)] {
        changeset = changeset.put(usage_hour("acme", workspace, hour().after(hours), amount));
    }
    store.commit(changeset).await.unwrap();
    let (from, until) = (hour(), hour().after(2));
    let sums = store.sum_usage_by_workspace(acme(), None, from, until).await.unwrap();
    assert!(sums.is_sorted_by_key(|sum| sum.workspace_id));
    let dev_sum = sums.iter().find(|sum| sum.workspace_id == dev()).unwrap();
    assert_eq!((sums.len(), dev_sum.hours), (2, 2));
    assert_eq!(dev_sum.readings[Meter::Cpu], Reading { amount: 110, minutes: 120 });
    assert_eq!(dev_sum.readings[Meter::Storage], Reading { amount: 114, minutes: 116 });
    let one = store.sum_usage_by_workspace(acme(), Some(id("gone")), from, until).await.unwrap();
    assert_eq!((one.len(), one[0].readings[Meter::Cpu].amount), (1, 1));
    let hours = store.sum_usage_by_hour(acme(), from, until).await.unwrap();
    let cpu: Vec<(Hour, u64)> = hours.iter().map(|(hour, sum)| (*hour, sum[Meter::Cpu])).collect();
    assert_eq!(cpu, [(hour(), 100), (hour().after(1), 11)]);
    assert!(store.sum_usage_by_hour(id("other"), hour().after(1), until).await.unwrap().is_empty());
}

/// Reports and metered hours are listed by hour, and deleted after the retention period.
pub async fn usage_is_listed_by_hour_and_pruned(store: &dyn TenantStore) {
    populate(store).await;
    let metered = |hours: i64| MeteredHour {
        hour: hour().after(hours),
        read_at: later(hours),
        next_read_at: (hours > 0).then(|| later(9)),
    };
    let mut changeset = Changeset::new();
    for hours in 0..3 {
        let hour = hour().after(hours);
        changeset =
            changeset.put(usage_hour("acme", "dev", hour, 1)).put(report(hour, 1)).put(metered(hours));
    }
    store.commit(changeset).await.unwrap();
    let (first, last) = (hour(), hour().after(9));
    let reports = store.list_usage_reports(acme(), first, hour().after(2)).await.unwrap();
    assert_eq!(reports, [report(hour(), 1), report(hour().after(1), 1)]);
    assert_eq!(store.list_metered_hours(hour().after(1)).await.unwrap(), [metered(1), metered(2)]);
    let long_after = store.list_metered_hours(hour().after(99)).await.unwrap();
    assert_eq!(long_after, [metered(2)], "the newest hour must be included even if it is before `from`");
    let cutoffs = PruneCutoffs { usage: hour().after(2).start(), ..nothing() };
    assert_eq!(store.prune(&cutoffs, 1).await.unwrap(), 3, "at most one record of each kind");
    assert_eq!(store.prune(&cutoffs, 9).await.unwrap(), 3);
    assert_eq!(store.prune(&cutoffs, 9).await.unwrap(), 0);
    assert_eq!(store.list_usage_reports(acme(), first, last).await.unwrap(), [report(hour().after(2), 1)]);
    assert_eq!(store.sum_usage_by_hour(acme(), first, last).await.unwrap().len(), 1);
    assert_eq!(store.list_metered_hours(first).await.unwrap(), [metered(2)]);
}

/// Usage remains after its workspace is deleted, and is deleted with its organization.
pub async fn usage_is_deleted_with_its_organization(store: &dyn TenantStore) {
    populate(store).await;
    let usage = Changeset::new().put(usage_hour("acme", "dev", hour(), 1)).put(report(hour(), 1));
    store.commit(usage).await.unwrap();
    store.commit(Changeset::new().delete(RecordKey::Workspace(acme(), dev()))).await.unwrap();
    assert_eq!(store.list_usage(acme(), hour()).await.unwrap().len(), 1);
    store.commit(Changeset::new().delete(RecordKey::Organization(acme()))).await.unwrap();
    assert!(store.list_usage(acme(), hour()).await.unwrap().is_empty());
    assert!(store.list_usage_reports(acme(), hour(), hour().after(1)).await.unwrap().is_empty());
    assert!(store.list_metered(hour(), None, 9).await.unwrap().is_empty());
}

/// Customers are listed page by page; organizations that are not customers are not included.
pub async fn customers_are_listed_by_id(store: &dyn TenantStore) {
    populate_two_organizations(store).await;
    let account = BillingAccount {
        customer_id: Some(CustomerId("cus_third".to_owned())),
        ..BillingAccount::new(id("third"), FIXTURE_TIME)
    };
    store.commit(Changeset::new().insert(fixture::organization("third")).insert(account)).await.unwrap();
    let mut expected: Vec<OrganizationId> = vec![id("other"), id("third")];
    expected.sort_unstable();
    assert_eq!(store.list_customers(None, 9).await.unwrap(), expected);
    assert_eq!(store.list_customers(None, 1).await.unwrap(), expected[..1]);
    assert_eq!(store.list_customers(Some(expected[0]), 9).await.unwrap(), expected[1..]);
}
