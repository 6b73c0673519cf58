-- The second wall between organizations: whoever works as hexabase_app sees and changes the rows of one
-- organization only, the one that the transaction has named in hexabase.organization_id. A statement with a wrong
-- WHERE, or none, reaches nobody else's. Without a name there are no rows.
--
-- The owner of the tables is not bound by it: migrations, backups and the views below run as the owner.

GRANT SELECT, INSERT, UPDATE, DELETE ON
    users, identities, sessions, spent_refresh_tokens, api_tokens, security_events, signing_keys,
    organizations, members, invitations, service_accounts,
    workspaces, workspace_groups, group_members, projects, project_roles, role_assignments, tasks, live_events,
    outbox, idempotency, leases
TO hexabase_app;
-- The audit log only ever grows.
GRANT SELECT, INSERT ON audit_events TO hexabase_app;
GRANT SELECT ON schema_compatibility, _sqlx_migrations TO hexabase_app;

ALTER TABLE organizations ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_organization ON organizations
    USING (id = current_setting('hexabase.organization_id', true));

DO $$
DECLARE
    tenant_table text;
BEGIN
    FOREACH tenant_table IN ARRAY ARRAY[
        'members', 'invitations', 'service_accounts', 'workspaces', 'workspace_groups', 'group_members',
        'projects', 'project_roles', 'role_assignments', 'tasks', 'live_events', 'audit_events'
    ] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', tenant_table);
        EXECUTE format(
            'CREATE POLICY of_organization ON %I '
            'USING (organization_id = current_setting(''hexabase.organization_id'', true))',
            tenant_table
        );
    END LOOP;
END $$;

-- Whoever signs in asks which organizations are theirs, and then it is the user who is named.
CREATE POLICY of_user ON members FOR SELECT
    USING (user_id = current_setting('hexabase.user_id', true));
CREATE POLICY of_user ON organizations FOR SELECT
    USING (id IN (SELECT organization_id FROM members WHERE user_id = current_setting('hexabase.user_id', true)));

-- What the work between requests may know of everybody, and no more than that.
CREATE VIEW workspace_schedule AS SELECT organization_id, id, host_cluster, reconcile_at FROM workspaces;
GRANT SELECT, UPDATE (reconcile_at) ON workspace_schedule TO hexabase_app;
CREATE VIEW live_event_ages AS SELECT at FROM live_events;
GRANT SELECT, DELETE ON live_event_ages TO hexabase_app;
