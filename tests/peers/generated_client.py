"""Drives a server at ORIGIN with a client that was generated from the OpenAPI document.

python generated_client.py ORIGIN. The client, the package `hexabase_client`, must be importable. Exits with 0 if every
response has the described types.
"""

import sys
import time
from typing import TypeVar

import httpx

from hexabase_client import AuthenticatedClient
from hexabase_client.api.organizations import create_organizations, list_members
from hexabase_client.api.sign_in import me_auth, refresh_auth
from hexabase_client.api.workspaces import create_workspaces, get_workspaces, list_workspaces_tasks
from hexabase_client.models import (
    ConditionStatus,
    Me,
    NewOrganization,
    NewWorkspace,
    Organization,
    OrganizationRole,
    Problem,
    Refresh,
    TaskKind,
    TaskState,
    TokenPair,
    TokenType,
    UserKind,
    Workspace,
    WorkspacePhase,
    WorkspaceWithTask,
)
from hexabase_client.models.list_member import ListMember
from hexabase_client.models.list_task import ListTask

T = TypeVar("T")
ORIGIN = sys.argv[1]


def expect(kind: type[T], response: object) -> T:
    """Returns the response if it has this type."""
    assert isinstance(response, kind), response
    return response


# The document that is committed omits the development provider.
signed_in = httpx.post(f"{ORIGIN}/auth/dev/login", json={"email": "ann@example.com"}).raise_for_status().json()
first = AuthenticatedClient(base_url=ORIGIN, token=signed_in["access_token"], raise_on_unexpected_status=True)
refresh = Refresh(refresh_token=signed_in["refresh_token"])
pair = expect(TokenPair, refresh_auth.sync(client=first, body=refresh))
assert pair.token_type is TokenType.BEARER, pair
client = AuthenticatedClient(base_url=ORIGIN, token=pair.access_token, raise_on_unexpected_status=True)

me = expect(Me, me_auth.sync(client=client))
assert me.kind is UserKind.PERSON and me.email == "ann@example.com", me
body = NewOrganization(name="acme", display_name="Acme")
organization = expect(Organization, create_organizations.sync(client=client, body=body))
members = expect(ListMember, list_members.sync(organization.id, client=client))
assert [member.role for member in members.items] == [OrganizationRole.OWNER], members

rejected = create_workspaces.sync_detailed(
    organization.id, client=client, body=NewWorkspace(name="Not a label", plan_id="starter")
)
problem = expect(Problem, rejected.parsed)
assert rejected.status_code == 422 and problem.code == "invalid", problem

created = expect(
    WorkspaceWithTask,
    create_workspaces.sync(organization.id, client=client, body=NewWorkspace(name="dev", plan_id="starter")),
)
assert isinstance(created.phase, WorkspacePhase), created
assert created.display_name is None, created
while True:
    workspace = expect(Workspace, get_workspaces.sync(organization.id, created.id, client=client))
    assert workspace.phase in WorkspacePhase, workspace
    if workspace.phase is WorkspacePhase.READY:
        break
    time.sleep(0.02)
assert workspace.conditions, workspace
assert all(condition.status in ConditionStatus for condition in workspace.conditions), workspace
tasks = expect(ListTask, list_workspaces_tasks.sync(organization.id, created.id, client=client))
assert [(task.kind, task.state) for task in tasks.items] == [(TaskKind.CREATE, TaskState.SUCCEEDED)], tasks
