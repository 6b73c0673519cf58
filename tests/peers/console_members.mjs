// Uses the console as an invited person and as a member who may only read: node console_members.mjs CHROMIUM URL SCRIPTS AXE
// Each entry that they see leads to a page. Prints one JSON line with what went wrong.
import { journey } from './console_page.mjs';

const [executablePath, url, scripts, axePath] = process.argv.slice(2);
const { causing, page, problems, signIn, inspect, expectText, run } = await journey({
  executablePath,
  url,
  hasScripts: scripts === 'on',
  axePath,
  accepted: [],
});
const REFUSED = /^console: Failed to load resource: the server responded with a status of 403 /;
const require = (condition, problem) => condition || problems.push(problem);

// Calls the API as ann.
let token = '';
const call = async (method, path, body) => {
  const headers = { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) };
  const response = await fetch(`${url}${path}`, { method, headers, body: body && JSON.stringify(body) });
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
  return response.status === 204 ? null : response.json();
};

// Opens each page that a user finds from a page on, by links, and returns their number.
const visitAll = async (where, start) => {
  const found = new Set([start]);
  const seen = new Set();
  for (const path of found) {
    const [pathname] = path.split('?');
    // Filters lead to the same pages.
    if (seen.has(pathname)) continue;
    seen.add(pathname);
    const response = await where.goto(`${url}${path}`);
    require(response.status() === 200, `the entry ${path} has the status ${response.status()}`);
    const links = await where.locator('a[href]').evaluateAll((all) => all.map((link) => link.getAttribute('href')));
    for (const link of links) if (/^\/console(?!\/assets|.*\.csv)/.test(link)) found.add(link.split('#')[0]);
  }
  return seen.size;
};

// An organization of ann with a workspace and a project.
const prepare = async () => {
  token = (await call('POST', '/auth/dev/login', { email: 'ann@example.com' })).access_token;
  const organization = await call('POST', '/api/v1/organizations', { name: 'acme', display_name: 'Acme' });
  const path = `/api/v1/organizations/${organization.id}`;
  await call('POST', `${path}/invitations`, { email: 'bob@example.com', role: 'member' });
  const workspace = await call('POST', `${path}/workspaces`, { name: 'shop', plan_id: 'starter' });
  const project = await call('POST', `${path}/workspaces/${workspace.id}/projects`, { name: 'web' });
  return { organization: organization.id, workspace: workspace.id, project: project.id };
};

// The invited person joins, and sees an organization without workspaces.
const join = async ({ organization }) => {
  await signIn('bob');
  await page.goto(`${url}/console/invitations`);
  await expectText('Acme');
  await inspect('invitation');
  await page.getByRole('main').getByRole('button').first().click();
  await expectText('You are now a member of Acme.');
  await inspect('organization of the invited person');
  require((await visitAll(page, `/console/orgs/${organization}`)) >= 8, 'an invited person sees few pages');
};

// Grants the view of a project through a group.
const grant = async ({ organization, workspace, project }) => {
  const path = `/api/v1/organizations/${organization}/workspaces/${workspace}`;
  const group = await call('POST', `${path}/groups`, { name: 'viewers' });
  const role = { group_id: group.id, role: 'hexabase:project-viewer' };
  await call('POST', `${path}/projects/${project}/role-assignments`, role);
  const members = (await call('GET', `/api/v1/organizations/${organization}/members`)).items;
  const bob = members.find(({ user }) => user.email === 'bob@example.com');
  await call('PUT', `${path}/groups/${group.id}/members/${bob.user.id}`);
};

const refused = async (path, permission) => {
  await causing([REFUSED], async () => {
    await page.goto(`${url}${path}`);
    const main = page.getByRole('main');
    for (const text of ['You are not permitted to do this', permission, 'owner', 'ann@example.com']) {
      await main.getByText(text).first().waitFor();
    }
  });
  await inspect(`refusal of ${permission}`);
};

await run(async () => {
  const ids = await prepare();
  await join(ids);
  await grant(ids);
  const path = `/console/orgs/${ids.organization}`;
  require((await visitAll(page, path)) >= 20, 'a member who may read sees few pages');
  await refused(`${path}/settings`, 'organization.update');
  await refused(`${path}/billing`, 'billing.read');
  await refused(`${path}/workspaces/${ids.workspace}/delete`, 'workspace.delete');
});
