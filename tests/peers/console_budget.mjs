// Compares what Chromium measures on pages of the console with hexabase-console/budget.json:
// node console_budget.mjs CHROMIUM URL SCRIPTS AXE. Prints one JSON line with what exceeds the budget.
import { readFile } from 'node:fs/promises';
import { journey } from './console_page.mjs';

const [executablePath, url, , axePath] = process.argv.slice(2);
const budget = JSON.parse(await readFile(new URL('../../hexabase-console/budget.json', import.meta.url), 'utf8'));
const { context, page, problems, signIn, submit, expectText, run } = await journey({
  executablePath,
  url,
  hasScripts: true,
  axePath,
});

// Sums up the unexpected shifts of the layout.
const observeShifts = () => {
  globalThis.layoutShift = 0;
  const add = (list) => {
    for (const { value, hadRecentInput } of list.getEntries()) if (!hadRecentInput) globalThis.layoutShift += value;
  };
  new PerformanceObserver(add).observe({ type: 'layout-shift', buffered: true });
};

// Opens a page, and returns the requests and bytes until its live parts were fetched the first time. That request, and the
// stream of events, are live updates, and do not count.
const visit = async (tab, path) => {
  const session = await tab.context().newCDPSession(tab);
  await session.send('Network.enable');
  const requests = new Map();
  session.on('Network.requestWillBeSent', ({ requestId, type, request }) => {
    if (type !== 'Fetch' && type !== 'EventSource') requests.set(requestId, { path: new URL(request.url).pathname, bytes: 0 });
  });
  session.on('Network.requestServedFromCache', ({ requestId }) => requests.delete(requestId));
  session.on('Network.responseReceived', ({ requestId, response }) => response.fromDiskCache && requests.delete(requestId));
  session.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => {
    if (requests.has(requestId)) requests.get(requestId).bytes = encodedDataLength;
  });
  const isUpdate = (request) => request.resourceType() === 'fetch' && request.url().split('?')[0].endsWith(path);
  const updated = tab.waitForEvent('requestfinished', isUpdate);
  await tab.goto(`${url}${path}`);
  await updated;
  await session.detach();
  const all = [...requests.values()];
  return { paths: all.map((request) => request.path), bytes: all.reduce((sum, request) => sum + request.bytes, 0) };
};

const expectWithin = (name, { paths, bytes }, limit) => {
  if (paths.length > limit.requests) problems.push(`${name}: ${paths.length} requests: ${paths.join(' ')}`);
  if (bytes > limit.bytes) problems.push(`${name}: ${bytes} bytes`);
};
const expectStill = async (name, tab) => {
  const shift = await tab.evaluate(() => globalThis.layoutShift);
  if (shift > budget.layout_shift) problems.push(`${name}: layout shift of ${shift}`);
};

await run(async () => {
  await context.addInitScript(observeShifts);
  await signIn('ann');
  await page.goto(`${url}/console/orgs/new`);
  await page.locator('[name=display_name]').fill('Acme 株式会社');
  await page.locator('[name=name]').fill('acme');
  await submit('Create an organization');
  await expectText('is created.');
  const organization = new URL(page.url()).pathname;
  await page.goto(`${url}${organization}/workspaces/new`);
  await page.locator('[name=name]').fill('shop');
  await page.locator('input[name=plan_id]').last().check();
  await submit('Create a workspace');
  await page.locator('.badge', { hasText: /^ready$/ }).first().waitFor({ timeout: 60_000 });
  const workspace = new URL(page.url()).pathname;
  const live = [organization, `${organization}/workspaces`, workspace, `${workspace}/projects`, `${workspace}/groups`];

  // Each page as the first one of a browser without a cache, and then after another page.
  for (const path of live) {
    const other = await page.context().browser().newContext({ storageState: await context.storageState(), locale: 'en-US' });
    await other.addInitScript(observeShifts);
    const tab = await other.newPage();
    expectWithin(`first visit of ${path}`, await visit(tab, path), budget.first_visit);
    await expectStill(`first visit of ${path}`, tab);
    const later = path === workspace ? organization : workspace;
    expectWithin(`${later} after ${path}`, await visit(tab, later), budget.later_page);
    await expectStill(`${later} after ${path}`, tab);
    await other.close();
  }

  // Several tabs of a browser have one stream, and follow a change without moving what is on the page.
  const streams = new Set();
  context.on('request', (request) => request.url().endsWith('/events') && streams.add(request));
  context.on('requestfinished', (request) => streams.delete(request));
  context.on('requestfailed', (request) => streams.delete(request));
  await page.goto('about:blank');
  const tabs = [];
  for (const path of [`${organization}/workspaces`, organization, workspace]) {
    const tab = await context.newPage();
    await visit(tab, path);
    tabs.push(tab);
  }
  if (streams.size > budget.streams) problems.push(`${streams.size} streams of events for ${tabs.length} tabs`);
  await page.goto(`${url}${workspace}/suspend`);
  await submit('Suspend the workspace');
  for (const tab of tabs) {
    await tab.locator('.badge', { hasText: /^suspended$/ }).first().waitFor({ timeout: 60_000 });
    await expectStill(`live update of ${tab.url()}`, tab);
  }
});
