# Texts of the pages of sign-in, organizations and workspaces.

actions-label = Actions

audit-action = Action
audit-actor = Author
audit-object = Object
audit-platform = platform
audit-time = Time

conflict-about = Compare both versions and decide.
conflict-apply = Apply mine on top
conflict-field = Field
conflict-heading = Your changes are not saved yet
conflict-keep = Keep the current values
conflict-now = Now
conflict-secrets = Secrets such as a kubeconfig are not kept: enter them again.
conflict-title = The object was changed in the meantime
conflict-yours = Yours

connect-create-token = Create a token
connect-download = Download the kubeconfig
connect-exec = hexabase command
connect-exec-about = kubectl runs the hexabase command, which signs you in and renews tokens. The file contains no secret.
connect-groups = Groups in your token
connect-groups-about = The cluster grants permissions to these groups.
connect-kubelogin = kubelogin
connect-kubelogin-about = kubectl runs kubelogin (kubectl oidc-login), which signs you in with a browser. The file contains no secret.
connect-no-groups = You are in no group of this workspace.
connect-tabs = Ways to connect
connect-test = Test the connection:
connect-token = Short-lived token
connect-token-about = The file contains a token that is valid for ten minutes. Use it for a quick try only.
connect-token-expires = It expires at
connect-token-once = The token is shown once and not stored
connect-unavailable = No connection is possible now

connection-lost = The connection to the server is lost. The page reconnects by itself; its data may be outdated.

consent-about = You are signed in as { $user }. Allow { $client } to:
consent-allow = Allow
consent-deny = Deny
consent-destination = You will be redirected to { $destination }.
consent-title = Allow access?

danger-wrong-name = The typed name differs. Type the name exactly as shown

development-about = This server accepts any e-mail address without a password.
development-title = Development mode

density-comfortable = Comfortable
density-compact = Compact

device-about = You are signed in as { $user }. Allow { $client } on the device with the code { $code } to:
device-address = The request came from { $address }.
device-code = Code shown on your device
device-connected = Your device is connected. Return to it; you can close this page.
device-connected-title = Device connected
device-continue = Continue
device-denied = Your device did not get access. You can close this page.
device-denied-title = Access denied
device-title = Connect a device
device-unknown = This code is unknown, has expired, or is for a workspace that you cannot access
device-warning = Continue only if the device is in front of you and you started this sign-in yourself

error-already-exists = The name is taken. Choose another one
error-already-member = You are already a member
error-billing-suspended = The workspace is suspended for billing
error-csrf = The form belongs to another session or site. Open its page again and repeat the entry
error-forbidden = You are not permitted to do this
error-home = Go to the console
error-last-owner = An organization needs at least one owner. Make another member an owner first
error-not-found = The page or object does not exist, or you may not see it
error-not-in-plan = The plan does not include this. Choose another plan
error-organization-deleting = The organization is being deleted
error-organization-suspended = An operator has suspended the organization
error-payment-overdue = A payment of the organization is overdue
error-plan-not-paid-for = The organization subscribes to no plan that covers this. Choose a plan
error-plan-removed = The operator has removed the plan. Choose another plan
error-quota-exceeded = A limit of the plan or of the installation is reached. Remove something, or choose another plan
error-rate-limited = Too many requests. Wait a moment and try again
error-request-id = Request id:
error-subscription-active = The organization has a subscription. Cancel it first
error-title = Request failed
error-title-forbidden = Not permitted
error-title-not-found = Not found
error-title-rate-limited = Too many requests
error-title-unauthenticated = Sign-in required
error-title-unavailable = Temporarily unavailable
error-unauthenticated = You are not signed in, or the sign-in was not completed
error-unavailable = A part of the server does not respond. Try again in a moment
error-unexpected = An internal error occurred. The operator finds its cause by the request id
error-workspace-deleting = The workspace is being deleted
error-workspace-not-ready = The workspace is not ready, so its cluster cannot be reached
error-workspace-running = The workspace runs already
error-workspace-suspended = The workspace is suspended already

field-created = Created
field-display-name = Display name
field-email = E-mail
field-endpoint = API server
field-id = Id
field-name = Name
field-organization = Organization
field-phase = Phase
field-plan = Plan
field-region = Region
field-role = Role
field-updated = Updated
field-version = Kubernetes version

filter-any = any
filter-apply = Apply filters
filter-text = Name contains

footer-api = API documentation

invitation-accept = Accept the invitation
invitation-accept-title = Accept an invitation
invitation-accepted = You are now a member of { $name }.
invitation-accepted-title = Invitation accepted
invitation-expired = expired
invitation-resend = Send again
invitation-resend-failed = The old invitation is withdrawn, but no new one was sent: { $reason }
invitation-resent = The invitation is sent again. The old link is invalid now.
invitation-sign-in = Sign in with the e-mail address that received the invitation. Then open the link in the mail again.
invitation-token = Code from the invitation
invitation-token-hint = The code is in the mail, after the link. It counts for the invited address only.
invitation-token-title = I have a code
invitation-until = Valid until
invitation-withdraw = Withdraw
invitation-withdrawn = The invitation is withdrawn.

invitations-none = There is no open invitation to your address.
invitations-open = Invitations
invitations-pending = { $count ->
    [one] { $count } invitation is open for you
   *[other] { $count } invitations are open for you
    }
invitations-sent = { $count ->
    [one] { $count } invitation is sent.
   *[other] { $count } invitations are sent.
    }
invitations-show = Show the invitations
invitations-title = Your invitations

invite-emails = E-mail addresses
invite-emails-hint = One or several, separated by spaces, commas or lines
invite-emails-many = must contain at most { $limit } addresses
invite-emails-missing = must contain an address
invite-send = Send the invitations

managed-about = The inventory { $inventory } manages this object. Its next run of hexabase apply undoes changes that are made here: change the documents instead.
managed-title = Managed by documents

members-invite = Invite members
members-leave = Leave the organization
members-left = You have left { $name }.
members-remove = Remove the member
members-remove-groups = Membership of all groups in all workspaces of the organization ends
members-remove-tokens = Access to the clusters ends, for valid tokens too
members-removed = { $name } is no longer a member.
members-role-changed = The role of { $name } is changed.
members-role-save = Change the role
members-role-title = Role in the organization
members-since = Member since
members-you = (you)

nav-activity = Activity
nav-connect = Connect
nav-members = Members
nav-overview = Overview
nav-settings = Settings
nav-workspaces = Workspaces

organization-create = Create an organization
organization-created = The organization { $name } is created.
organization-delete = Delete the organization
organization-delete-about = Deletes the organization with all of its workspaces.
organization-delete-members = { $count ->
    [one] { $count } member loses access
   *[other] { $count } members lose access
    }
organization-delete-service-accounts = { $count ->
    [one] { $count } service account is deleted
   *[other] { $count } service accounts are deleted
    }
organization-delete-title = Delete the organization { $name }
organization-delete-workspaces = { $count ->
    [one] { $count } workspace is deleted with everything in it
   *[other] { $count } workspaces are deleted with everything in them
    }
organization-deleted = The organization { $name } is deleted.
organization-deleting = The organization { $name } is deleted as soon as its workspaces are.
organization-display-name-hint = For people, in any script
organization-is-deleted = The organization is being deleted
organization-name-hint = Unique in this installation: lower-case letters, digits and hyphens; full-width characters are converted
organization-new-title = Create an organization
organization-personal = personal
organization-suspended = An operator has suspended this organization

organizations-none = You are in no organization
organizations-purpose = An organization has members, a plan and workspaces.
organizations-title = Organizations

overview-audit = Audit log
overview-cost = Cost of this month so far
overview-limits = Limits
overview-members = Members and invitations
overview-plan = Plan
overview-title = Overview

plan-free = Free of charge
plan-monthly = { $price } per month
plan-per-workspace = { $price } for each workspace beyond { $included }

preferences-back = Back to the console
preferences-density = Tables
preferences-language = Language
preferences-theme = Colours
preferences-title = Language and appearance
preferences-zone = Times
preferences-zone-hint = Records such as audit events always name UTC.

reauthentication-about = This action requires that you signed in during the last ten minutes. Sign in again to continue
reauthentication-title = Sign in again

refusal-granters = Members who can grant a role
refusal-leave = Overview of the organization
refusal-permission = Missing permission
refusal-right-admin = groups with the role “Workspace administrator”
refusal-right-logs = groups with a role that reads the logs of pods
refusal-right-member = every group of the workspace
refusal-right-project-admin = groups with the role “Project administrator” or “Workspace administrator”
refusal-roles = Roles that include it

role-admin-about = Manages members and workspaces
role-billing-about = Manages payments and invoices
role-member-about = Sees the organization and the workspaces of its groups
role-owner-about = Does everything, including deletion
role-owner-refused = Only owners grant this role

scope-email = read your e-mail address
scope-groups = read your group memberships
scope-offline-access = keep this access until you end its session
scope-openid = identify you
scope-profile = read your name
scope-workspace = access the workspace { $workspace } on your behalf

session-ended = Your session has ended.

settings-about = About
settings-save = Save the changes
settings-saved = The changes are saved.
settings-title = Settings

shell-workspace = Read this workspace

sign-in-development = This server is in development mode: any client can sign in as any user.
sign-in-none = No sign-in provider is configured on this server.
sign-in-sandbox = Clusters are a sandbox: they run no workloads.
sign-in-title = Sign in
sign-in-with = Continue with { $provider }
sign-out = Sign out
sign-out-title = Sign out?

signed-in-as = You are signed in as { $user }.
signed-out-about = You are signed out.
signed-out-title = Signed out

step-apply-host = Prepare the host cluster
step-apply-tenant = Set up access and projects
step-remove = Remove everything
step-start = Start the control plane
step-stop = Stop the control plane

task-attempts = { $count ->
    [one] { $count } attempt
   *[other] { $count } attempts
    }
task-create = Create the workspace
task-created = Requested
task-delete = Delete the workspace
task-failed = failed
task-kind = Task
task-pending = pending
task-resume = Resume the workspace
task-retried = The task is tried again.
task-retry = Try again
task-running = in progress
task-state = State
task-succeeded = succeeded
task-superseded = replaced by a later one
task-suspend = Suspend the workspace
task-update = Change the workspace

tasks-title = Tasks

theme-dark = Dark
theme-light = Light
theme-system = As the system

welcome-members = Invite the people who work with you by their e-mail addresses.
welcome-members-title = Work together
welcome-workspace = A workspace is a Kubernetes cluster of your own. It is ready in about a minute.
welcome-workspace-title = Create the first workspace

workspace-conditions = Conditions
workspace-create = Create a workspace
workspace-create-refused = No workspace can be created now
workspace-created = The workspace { $name } is being created.
workspace-delete = Delete the workspace
workspace-delete-about = Deletes the cluster with everything in it.
workspace-delete-access = Access of all users and credentials ends
workspace-delete-objects = All objects in the cluster are deleted
workspace-delete-projects = { $count ->
    [one] { $count } project with its namespace is deleted
   *[other] { $count } projects with their namespaces are deleted
    }
workspace-delete-title = Delete the workspace { $name }
workspace-delete-volumes = All volumes with their data are deleted
workspace-deleted = The workspace { $name } is being deleted.
workspace-drift = { $count ->
    [one] { $count } field differed and was repaired
   *[other] { $count } fields differed and were repaired
    }
workspace-drift-title = Repaired differences
workspace-measured = Measured
workspace-name-hint = Unique in the organization: lower-case letters, digits and hyphens; full-width characters are converted
workspace-plan-hint = A new plan changes quota and price; the cluster follows within minutes
workspace-region-hint = Empty for any region
workspace-resume = Resume the workspace
workspace-resume-about = The control plane and the pods start again; the data is as before.
workspace-resuming = The workspace is being resumed.
workspace-since = since
workspace-status = { $name }: { $phase }
workspace-suspend = Suspend the workspace
workspace-suspend-about = All pods and the control plane stop; the data is kept. The API server does not respond until the workspace is resumed.
workspace-suspending = The workspace is being suspended.
workspace-task = Progress
workspace-unmeasured = The usage has not been measured yet.
workspace-updating = The changes are being applied to the cluster.
workspace-usage = Usage
workspace-version-hint = Upgrades lead to the next minor version and cannot be reverted
workspace-version-newest = Newest of the plan
workspace-waiting = Waiting: { $reason }

workspaces-all = All workspaces
workspaces-none = There is no workspace
workspaces-purpose = A workspace is a Kubernetes cluster of your own, with projects, groups and roles.

zone-browser = In the time zone of the browser
zone-utc = In UTC
