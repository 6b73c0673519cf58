-- Schema of the SQLite store.
--
-- In tables that belong to an organization, every key and index starts with organization_id: rows of one tenant are
-- stored together, and a statement that names an organization cannot reach another one.
-- Timestamps are microseconds since 1970-01-01 UTC. JSON columns are read as a whole and never searched.

CREATE TABLE users (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    email TEXT UNIQUE,
    name TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    -- Name and e-mail address in lower case, for searches.
    search_text TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE identities (
    provider TEXT NOT NULL,
    subject TEXT NOT NULL,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    email TEXT,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (provider, subject)
) STRICT, WITHOUT ROWID;
CREATE INDEX identities_of_user ON identities (user_id);

CREATE TABLE sessions (
    id TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    parent_id TEXT,
    provider TEXT NOT NULL,
    refresh_hash TEXT,
    cookie_hash TEXT,
    grant_to_client TEXT NOT NULL,
    device TEXT NOT NULL,
    address TEXT,
    authenticated_at INTEGER,
    created_at INTEGER NOT NULL,
    used_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked_at INTEGER,
    version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_of_user ON sessions (user_id, id);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);
CREATE INDEX sessions_revoked ON sessions (revoked_at) WHERE revoked_at IS NOT NULL;

CREATE TABLE spent_refresh_tokens (
    session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    hash TEXT NOT NULL,
    spent_at INTEGER NOT NULL,
    PRIMARY KEY (session_id, hash)
) STRICT, WITHOUT ROWID;

CREATE TABLE api_tokens (
    id TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    organization_id TEXT,
    name TEXT NOT NULL,
    scopes TEXT NOT NULL,
    hash TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    used_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX api_tokens_of_user ON api_tokens (user_id, id);

CREATE TABLE security_events (
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    session_id TEXT,
    address TEXT,
    device TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (user_id, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE signing_keys (
    kid TEXT NOT NULL PRIMARY KEY,
    algorithm TEXT NOT NULL,
    public_jwk TEXT NOT NULL,
    sealed_private BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    retires_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE organizations (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    display_name TEXT NOT NULL,
    personal INTEGER NOT NULL,
    plan_id TEXT NOT NULL,
    deletion_requested_at INTEGER,
    suspension TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    -- Id, name and display name in lower case, for searches.
    search_text TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX organizations_by_creator ON organizations (created_by);
CREATE INDEX security_events_by_age ON security_events (at);

CREATE TABLE members (
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    user_id TEXT NOT NULL,
    role TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (organization_id, user_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX members_by_user ON members (user_id, organization_id);

CREATE TABLE invitations (
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    id TEXT NOT NULL,
    email TEXT NOT NULL,
    role TEXT NOT NULL,
    hash TEXT NOT NULL,
    invited_by TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (organization_id, id)
) STRICT, WITHOUT ROWID;
-- A user who signs in is shown the invitations of their address.
CREATE INDEX invitations_by_email ON invitations (email);
-- Number of open invitations per address, for the limit that protects recipients.
CREATE VIEW invitation_recipients AS SELECT email, expires_at FROM invitations;

CREATE TABLE service_accounts (
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (organization_id, id),
    UNIQUE (organization_id, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE inventories (
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    objects TEXT NOT NULL,
    updated_by TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (organization_id, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE workspaces (
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    display_name TEXT,
    plan_id TEXT NOT NULL,
    region TEXT,
    kubernetes_version TEXT NOT NULL,
    power TEXT NOT NULL,
    suspension_reason TEXT,
    organization_suspended INTEGER NOT NULL,
    node_pools TEXT NOT NULL,
    gitops TEXT NOT NULL,
    access_revocations TEXT NOT NULL,
    retired_group_names TEXT NOT NULL,
    deletion_requested_at INTEGER,
    host_cluster TEXT NOT NULL,
    generation INTEGER NOT NULL,
    access_version INTEGER NOT NULL,
    status TEXT NOT NULL,
    reconcile_at INTEGER,
    created_by TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    phase TEXT NOT NULL,
    -- Start of a phase in which work continues, for the metrics of the platform.
    unconverged_since INTEGER,
    -- Name and display name in lower case, for searches.
    search_text TEXT NOT NULL,
    PRIMARY KEY (organization_id, id),
    UNIQUE (organization_id, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX workspaces_due ON workspaces (reconcile_at) WHERE reconcile_at IS NOT NULL;
CREATE INDEX workspaces_on_host ON workspaces (host_cluster, phase, unconverged_since);
-- Tokens of tenant clusters name the workspace alone.
CREATE INDEX workspaces_by_id ON workspaces (id);

-- Numbers of organizations and workspaces per creator, for the limits on free resources.
CREATE VIEW organization_creators AS SELECT created_by, personal FROM organizations;
CREATE VIEW workspace_creators AS
    SELECT organizations.created_by, workspaces.plan_id
    FROM organizations JOIN workspaces ON workspaces.organization_id = organizations.id;

-- Workspaces whose control plane runs, for the scrape targets of Prometheus. The phases are those of RunningWorkspace::PHASES.
CREATE VIEW running_workspaces AS
    SELECT organization_id, id, host_cluster, plan_id FROM workspaces
    WHERE phase IN ('ready', 'updating', 'degraded') AND deletion_requested_at IS NULL;

CREATE TABLE workspace_groups (
    organization_id TEXT NOT NULL,
    workspace_id TEXT NOT NULL,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    parent_id TEXT,
    preset TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    -- Name in lower case, for searches.
    search_text TEXT NOT NULL,
    PRIMARY KEY (organization_id, workspace_id, id),
    UNIQUE (organization_id, workspace_id, name),
    FOREIGN KEY (organization_id, workspace_id) REFERENCES workspaces (organization_id, id) ON DELETE CASCADE,
    FOREIGN KEY (organization_id, workspace_id, parent_id)
        REFERENCES workspace_groups (organization_id, workspace_id, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX workspace_groups_by_parent ON workspace_groups (organization_id, workspace_id, parent_id);

CREATE TABLE group_members (
    organization_id TEXT NOT NULL,
    workspace_id TEXT NOT NULL,
    group_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    added_by TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (organization_id, workspace_id, group_id, user_id),
    FOREIGN KEY (organization_id, workspace_id, group_id)
        REFERENCES workspace_groups (organization_id, workspace_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX group_members_by_user ON group_members (organization_id, user_id, workspace_id, group_id);
CREATE INDEX group_members_of_workspace ON group_members (organization_id, workspace_id, user_id);

CREATE TABLE projects (
    organization_id TEXT NOT NULL,
    workspace_id TEXT NOT NULL,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    display_name TEXT,
    parent_id TEXT,
    quota TEXT NOT NULL,
    generation INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    -- Name and display name in lower case, for searches.
    search_text TEXT NOT NULL,
    PRIMARY KEY (organization_id, workspace_id, id),
    UNIQUE (organization_id, workspace_id, name),
    FOREIGN KEY (organization_id, workspace_id) REFERENCES workspaces (organization_id, id) ON DELETE CASCADE,
    FOREIGN KEY (organization_id, workspace_id, parent_id)
        REFERENCES projects (organization_id, workspace_id, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX projects_by_parent ON projects (organization_id, workspace_id, parent_id);

CREATE TABLE project_roles (
    organization_id TEXT NOT NULL,
    workspace_id TEXT NOT NULL,
    id TEXT NOT NULL,
    project_id TEXT NOT NULL,
    name TEXT NOT NULL,
    rules TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (organization_id, workspace_id, id),
    UNIQUE (organization_id, workspace_id, project_id, name),
    FOREIGN KEY (organization_id, workspace_id, project_id)
        REFERENCES projects (organization_id, workspace_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE TABLE role_assignments (
    organization_id TEXT NOT NULL,
    workspace_id TEXT NOT NULL,
    id TEXT NOT NULL,
    project_id TEXT,
    group_id TEXT NOT NULL,
    role TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (organization_id, workspace_id, id),
    FOREIGN KEY (organization_id, workspace_id, group_id)
        REFERENCES workspace_groups (organization_id, workspace_id, id) ON DELETE CASCADE,
    FOREIGN KEY (organization_id, workspace_id, project_id)
        REFERENCES projects (organization_id, workspace_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
-- A group has a role at most once per scope: a project, or the workspace (no project).
CREATE UNIQUE INDEX role_assignments_unique
    ON role_assignments (organization_id, workspace_id, COALESCE(project_id, ''), group_id, role);
CREATE INDEX role_assignments_by_group ON role_assignments (organization_id, workspace_id, group_id);
CREATE INDEX role_assignments_by_project ON role_assignments (organization_id, workspace_id, project_id);

CREATE TABLE alert_rules (
    organization_id TEXT NOT NULL,
    workspace_id TEXT NOT NULL,
    id TEXT NOT NULL,
    project_id TEXT,
    name TEXT NOT NULL,
    condition TEXT NOT NULL,
    severity TEXT NOT NULL,
    notify TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (organization_id, workspace_id, id),
    UNIQUE (organization_id, workspace_id, name),
    FOREIGN KEY (organization_id, workspace_id) REFERENCES workspaces (organization_id, id) ON DELETE CASCADE,
    FOREIGN KEY (organization_id, workspace_id, project_id)
        REFERENCES projects (organization_id, workspace_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX alert_rules_by_project ON alert_rules (organization_id, workspace_id, project_id);
-- The conditions of all workspaces are exported in the order of their ids.
CREATE INDEX alert_rules_by_id ON alert_rules (id);

-- Conditions of the alert rules of all workspaces.
CREATE VIEW alert_thresholds AS
    SELECT alert_rules.id, alert_rules.workspace_id, workspaces.plan_id,
        projects.name AS project_name, projects.quota AS project_quota,
        alert_rules.condition, alert_rules.severity
    FROM alert_rules
    JOIN workspaces ON workspaces.organization_id = alert_rules.organization_id
        AND workspaces.id = alert_rules.workspace_id
    LEFT JOIN projects ON projects.organization_id = alert_rules.organization_id
        AND projects.workspace_id = alert_rules.workspace_id AND projects.id = alert_rules.project_id;

CREATE TABLE tasks (
    organization_id TEXT NOT NULL,
    workspace_id TEXT NOT NULL,
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    generation INTEGER NOT NULL,
    steps TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    last_error TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    finished_at INTEGER,
    version INTEGER NOT NULL,
    PRIMARY KEY (organization_id, workspace_id, id),
    FOREIGN KEY (organization_id, workspace_id) REFERENCES workspaces (organization_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX tasks_open ON tasks (organization_id, workspace_id, id) WHERE finished_at IS NULL;
CREATE INDEX tasks_by_age ON tasks (finished_at) WHERE finished_at IS NOT NULL;

CREATE TABLE live_events (
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    id TEXT NOT NULL,
    workspace_id TEXT,
    kind TEXT NOT NULL,
    data TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (organization_id, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX live_events_by_age ON live_events (at);

-- Audit events outlive the objects that they describe: no foreign keys.
CREATE TABLE audit_events (
    organization_id TEXT NOT NULL,
    id TEXT NOT NULL,
    actor_user_id TEXT,
    actor_session_id TEXT,
    actor_token_id TEXT,
    action TEXT NOT NULL,
    resource TEXT NOT NULL,
    before TEXT NOT NULL,
    after TEXT NOT NULL,
    address TEXT,
    device TEXT NOT NULL,
    request_id TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (organization_id, at, id)
) STRICT, WITHOUT ROWID;
-- One index per filter. Each ends with the order of the list, so that a page is read from it without sorting.
CREATE INDEX audit_events_by_actor ON audit_events (organization_id, actor_user_id, at, id);
CREATE INDEX audit_events_by_action ON audit_events (organization_id, action, at, id);
CREATE INDEX audit_events_by_resource ON audit_events (organization_id, resource, at, id);
CREATE INDEX audit_events_by_age ON audit_events (at);

CREATE TABLE outbox (
    id TEXT NOT NULL PRIMARY KEY,
    topic TEXT NOT NULL,
    organization_id TEXT NOT NULL,
    workspace_id TEXT,
    payload BLOB NOT NULL,
    trace_parent TEXT,
    claimed_until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
-- A relay claims a message only if no earlier message of the same workspace is claimed.
CREATE INDEX outbox_by_workspace ON outbox (workspace_id, id);

CREATE TABLE idempotency (
    user_id TEXT NOT NULL,
    key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    response BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_by_expiry ON idempotency (expires_at);

CREATE TABLE leases (
    name TEXT NOT NULL PRIMARY KEY,
    holder TEXT NOT NULL,
    token INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Host clusters belong to the installation, not to an organization.
CREATE TABLE hosts (
    name TEXT NOT NULL PRIMARY KEY,
    region TEXT,
    labels TEXT NOT NULL,
    cordoned INTEGER NOT NULL,
    capacity INTEGER NOT NULL,
    sandbox INTEGER NOT NULL,
    settings TEXT NOT NULL,
    sealed_kubeconfig BLOB NOT NULL,
    health TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Plans as an operator changed them: one row, which has no plans and version 1 before the first change.
CREATE TABLE plans (
    id TEXT NOT NULL PRIMARY KEY,
    plans TEXT NOT NULL,
    configured TEXT NOT NULL,
    updated_by TEXT,
    updated_at INTEGER NOT NULL,
    version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO plans (id, plans, configured, updated_by, updated_at, version)
    VALUES ('plans', '[]', '[]', NULL, 0, 1);

-- Billing state per organization, as last read from the billing provider.
CREATE TABLE billing_accounts (
    organization_id TEXT NOT NULL PRIMARY KEY REFERENCES organizations (id) ON DELETE CASCADE,
    customer_id TEXT,
    pending_order TEXT NOT NULL,
    rejection TEXT NOT NULL,
    subscription TEXT NOT NULL,
    standing TEXT NOT NULL,
    budget TEXT NOT NULL,
    sent_usage_alerts TEXT NOT NULL,
    reconcile_at INTEGER,
    reconciled_at INTEGER,
    failures INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX billing_accounts_due ON billing_accounts (reconcile_at) WHERE reconcile_at IS NOT NULL;
CREATE INDEX billing_accounts_by_customer ON billing_accounts (customer_id) WHERE customer_id IS NOT NULL;

-- Webhook events of the billing provider. They name a customer; the organization is looked up when they are processed.
CREATE TABLE webhook_events (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    customer_id TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    processed_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX webhook_events_by_age ON webhook_events (received_at);

-- Plans that organizations are on, subscribe to or have ordered, and plans of workspaces, for the check that a plan is not
-- in use.
CREATE VIEW plan_users AS
    SELECT plan_id, id AS organization_id, NULL AS workspace_id, NULL AS kubernetes_version
        FROM organizations
    UNION ALL SELECT plan_id, organization_id, id, kubernetes_version FROM workspaces
    UNION ALL SELECT json_extract(subscription, '$.plan_id'), organization_id, NULL, NULL FROM billing_accounts
        WHERE json_extract(subscription, '$.state') NOT IN ('canceled', 'incomplete_expired')
    UNION ALL SELECT json_extract(pending_order, '$.change.plan_id'), organization_id, NULL, NULL FROM billing_accounts
        WHERE json_extract(pending_order, '$.change.plan_id') IS NOT NULL;
CREATE INDEX webhook_events_unprocessed ON webhook_events (received_at, id) WHERE processed_at IS NULL;

-- Usage per workspace and hour, in thousandths of each meter's unit, and the number of minutes that were measured.
-- Usage outlives its workspace: no foreign key.
CREATE TABLE usage_hours (
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    hour INTEGER NOT NULL,
    workspace_id TEXT NOT NULL,
    cpu INTEGER NOT NULL,
    cpu_minutes INTEGER NOT NULL,
    memory INTEGER NOT NULL,
    memory_minutes INTEGER NOT NULL,
    storage INTEGER NOT NULL,
    storage_minutes INTEGER NOT NULL,
    network_receive INTEGER NOT NULL,
    network_receive_minutes INTEGER NOT NULL,
    network_transmit INTEGER NOT NULL,
    network_transmit_minutes INTEGER NOT NULL,
    api_requests INTEGER NOT NULL,
    api_requests_minutes INTEGER NOT NULL,
    PRIMARY KEY (organization_id, hour, workspace_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX usage_hours_by_hour ON usage_hours (hour, organization_id, workspace_id);

-- Usage reported to the billing provider, per organization and hour.
CREATE TABLE usage_reports (
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    hour INTEGER NOT NULL,
    cpu INTEGER NOT NULL,
    memory INTEGER NOT NULL,
    storage INTEGER NOT NULL,
    network_receive INTEGER NOT NULL,
    network_transmit INTEGER NOT NULL,
    api_requests INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    PRIMARY KEY (organization_id, hour)
) STRICT, WITHOUT ROWID;
CREATE INDEX usage_reports_by_hour ON usage_reports (hour);

-- Hours whose meters were read for all workspaces.
CREATE TABLE metered_hours (
    hour INTEGER NOT NULL PRIMARY KEY,
    read_at INTEGER NOT NULL,
    next_read_at INTEGER
) STRICT, WITHOUT ROWID;

-- Organizations as operators list them.
CREATE VIEW organization_directory AS
    SELECT organizations.*,
        (SELECT COUNT(*) FROM members JOIN users ON users.id = members.user_id
            WHERE members.organization_id = organizations.id AND users.kind = 'person') AS members,
        (SELECT COUNT(*) FROM workspaces WHERE workspaces.organization_id = organizations.id) AS workspaces,
        billing_accounts.subscription,
        billing_accounts.standing
    FROM organizations LEFT JOIN billing_accounts ON billing_accounts.organization_id = organizations.id;
