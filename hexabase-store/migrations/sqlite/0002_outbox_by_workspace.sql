-- Claiming asks whether an earlier message of the same workspace is out.
CREATE INDEX outbox_by_workspace ON outbox (workspace_id, id);
