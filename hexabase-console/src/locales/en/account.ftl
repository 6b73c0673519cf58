# Texts of the pages of the account, of API tokens, service accounts and the audit log.

account-command = List the tokens of the service account
account-create = Create a service account
account-created = The service account { $name } is created.
account-delete = Delete the service account
account-delete-groups = Its membership of all groups in all workspaces ends
account-delete-title = Delete the service account { $name }
account-delete-tokens = All of its API tokens are rejected
account-deleted = The service account { $name } is deleted.
account-exchange-about = This server accepts tokens of issuers that its operator trusts, such as those of CI jobs. Ask the operator to trust the project of your pipeline for the service account { $id }. Its jobs then exchange their own token for one that a cluster accepts, or, with the URL of this server as audience and scopes that the operator grants, for one that the API accepts:
account-exchange-title = Use without a stored secret
account-no-tokens = The service account has no API tokens.
account-token-about = The token acts as the service account { $name }, within the scopes that you choose.

accounts-about = Identities for automation that belong to the organization.
accounts-command = List the service accounts
accounts-none = There are no service accounts
accounts-purpose = A service account acts for the organization, not for a person: it remains when people leave. It has a role, can be a member of groups, and uses API tokens.

account-known-as = Known as
account-link = Link { $provider }
account-link-about = With another account linked, you can sign in with either of them.
account-link-title = Link an account
account-since = Linked
account-unlink = Unlink
account-unlink-about = You cannot sign in with this account at { $provider } any more. Sessions that began with it continue until they are ended.
account-unlinked = The account is unlinked.
accounts-title = Sign-in accounts

audit-about = Every change in the organization with its author, newest first. Entries are never changed.
audit-all = All entries
audit-command = List the entries of the audit log
audit-details = Details
audit-download = Download as a file (CSV)
audit-download-limit = The newest { $count } entries of these filters
audit-more = { $count ->
    [one] { $count } further value
   *[other] { $count } further values
    }
audit-none = There are no entries
audit-of-object = Audit log of this object
audit-request = Request
audit-session = Session
audit-since = Since (UTC)
audit-token = API token
audit-until = Before (UTC)
audit-value = Value

client-name = Application
client-permissions = May
client-revoke = Revoke the access
clients-about = You allowed these applications to act for you. Without its access, an application asks you again.
clients-none = You have allowed no application to act for you.
clients-title = Applications with access

error-last-identity = This is the last account that you can sign in with. Link another one first

event-all-sessions-revoked = All sessions were ended
event-client-authorized = You allowed an application to act for you
event-identity-linked = A sign-in account was linked
event-identity-unlinked = A sign-in account was unlinked
event-kind = Event
event-refresh-reused = A used token was presented again, which can mean theft; the session was ended
event-session-revoked = A session was ended
event-signed-in = Sign-in
event-token-created = An API token was created
event-token-refreshed = A program renewed its tokens
event-token-revoked = An API token was revoked
event-user-created = Your account was created
events-about = If you do not recognize an event, end the session and revoke your API tokens:
events-title = Security events

nav-account = Account
nav-audit = Audit log
nav-service-accounts = Service accounts
nav-profile = Profile
nav-security = Security
nav-sessions = Sessions
nav-tokens = API tokens

profile-command = Read your account with its organizations
profile-email-about = The address comes from your sign-in provider. Invitations to it are yours.
profile-name-hint = Members of your organizations see it
profile-preferences-about = They belong to this browser.
profile-renamed = Your name is changed.
profile-title = Profile

welcome-connect = kubectl reaches your clusters with the hexabase command or kubelogin. This card disappears once one of them is signed in as you.
welcome-connect-action = Connect kubectl
welcome-connect-title = Use kubectl

security-command = List your security events. HEXABASE_TOKEN is the access token of a session.
security-title = Security

session-address = Address
session-current = this one
session-device = { $program } on { $system }
session-device-title = Device
session-device-unknown = unknown device
session-end = End the session
session-end-about = The device is signed out at once, with everything that was derived from the session.
session-is-ended = The session is ended.
session-now = now
session-provider = Provider
session-started = Since
session-used = Last renewal

sessions-about = Devices and programs that are signed in as you.
sessions-command = List your sessions. HEXABASE_TOKEN is the access token of a session.
sessions-end-others = End all other sessions
sessions-end-others-about = All other devices are signed out at once, and applications lose their access. API tokens are not affected.
sessions-others-ended = All other sessions are ended.
sessions-title = Sessions

token-area-access = Groups and roles
token-area-billing = Billing
token-area-clusters = Clusters
token-area-everything = Everything
token-area-organizations = Organizations
token-area-projects = Projects
token-area-workspaces = Workspaces
token-create = Create an API token
token-create-about = The token acts as you, within the scopes that you choose.
token-create-command = Create a token. HEXABASE_TOKEN is the access token of a session: API tokens cannot create tokens.
token-expired = expired
token-expires = Expires
token-expires-soon = expires soon
token-kept = I have stored the secret
token-lifetime = Valid for
token-lifetime-custom = another time
token-lifetime-days = Number of days
token-lifetime-hint = With “another time” only: 1 to { $limit } days
token-lifetime-invalid = Choose a time, or enter 1 to { $limit } days
token-name-hint = Where the token is used, such as “deployment from CI”
token-not-again = The secret is not shown again
token-not-again-about = The token is created already, and its secret is not stored. If you do not have it, revoke the token and create another one.
token-once = Copy the secret now
token-once-about = It is shown on this page only and is not stored. Keep it in the secret store of the program that uses it.
token-revoke = Revoke
token-revoke-about = Requests with the token { $name } are rejected from now on. This cannot be undone.
token-revoked = The token is revoked.
token-scope-access-read = see groups, roles and assignments
token-scope-access-write = change groups, roles and assignments
token-scope-all = everything that the owner may do, except managing tokens and sessions
token-scope-billing-read = see billing data
token-scope-billing-write = change subscriptions and payment methods
token-scope-clusters-access = access clusters and read the logs of pods
token-scope-organizations-read = see organizations and members
token-scope-organizations-write = change organizations and members
token-scope-projects-read = see projects
token-scope-projects-write = create, change and delete projects
token-scope-workspaces-read = see workspaces, tasks and usage
token-scope-workspaces-write = create, change, suspend and delete workspaces
token-scopes = Scopes
token-scopes-hint = The permissions of the owner are the limit. Changing includes seeing.
token-scopes-missing = Choose at least one scope
token-secret = Secret of the token
token-title = API token { $name }
token-unlimited = does not expire
token-unused = never
token-use-ci = In GitHub Actions, with the secret HEXABASE_TOKEN of the repository:
token-use-cluster = Exchange the token for one that a cluster accepts for ten minutes:
token-use-shell = In a shell; paste the secret when the first command waits:
token-use-title = Use the token
token-used = Last used

tokens-about = Credentials for programs that act as you.
tokens-command = List your tokens. HEXABASE_TOKEN is the access token of a session: API tokens cannot manage tokens.
tokens-none = You have no API tokens
tokens-purpose = A program such as a CI job uses a token instead of a sign-in. Give each program a token of its own, with the scopes that it needs.
tokens-title = API tokens
