-- Programs that do not know of them leave them alone.
ALTER TABLE workspaces ADD COLUMN node_pools json NOT NULL DEFAULT '[]';
