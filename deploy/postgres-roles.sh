#!/usr/bin/env bash
# Makes the database and its three roles: the owner of the tables, who migrates; hexabase_app, for whom the policies
# hold that keep organizations apart; and who the programs sign in as, who may be nobody but that.
#
# Runs once, as an administrator: with PGHOST, PGUSER and PGPASSWORD as psql takes them, and DATABASE_PASSWORD for
# the new roles.
set -euo pipefail

psql -v ON_ERROR_STOP=1 -v password="${DATABASE_PASSWORD:?the password of the new roles}" \
    --username "${PGUSER:-${POSTGRES_USER:-postgres}}" --dbname "${1:-postgres}" <<'SQL'
CREATE ROLE hexabase_app NOLOGIN;
CREATE ROLE hexabase_owner LOGIN PASSWORD :'password' IN ROLE hexabase_app;
CREATE ROLE hexabase_server LOGIN NOINHERIT PASSWORD :'password' IN ROLE hexabase_app;
CREATE DATABASE hexabase OWNER hexabase_owner;
SQL
