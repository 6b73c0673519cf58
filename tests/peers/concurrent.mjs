// Concurrent sign-ins in one real browser: node concurrent.mjs SETTINGS
//
// SETTINGS is JSON: the server, the names of two sign-in providers, two clients with their secrets and ports, the path of
// Chromium and the user's e-mail address. Each successful step is printed as a JSON object on one line; the first failure
// ends the program.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import * as client from 'openid-client';
import { follow, open } from './browser.mjs';

const settings = JSON.parse(process.argv[2]);
const report = (step, seen = {}) => console.log(JSON.stringify({ step, ...seen }));
const { browser } = await open(settings.chromium);
// Waits for all, so that every failure is reported.
const all = async (promises) => {
  const results = await Promise.allSettled(promises);
  const failures = results.filter(({ status }) => status === 'rejected');
  assert.deepEqual(failures.map(({ reason }) => String(reason)), []);
  return results.map(({ value }) => value);
};
const providerOf = (number) => settings.providers[number % settings.providers.length];
const loginUrl = (number) => `${settings.server}/auth/login/${providerOf(number)}?return_to=/auth/me%3Ftab=${number}`;
const isDone = (number) => (page) => page.url() === `${settings.server}/auth/me?tab=${number}`;
const userOn = async (page) => JSON.parse(await page.textContent('body')).email;
const tabsOf = (context, count) => all(Array.from({ length: count }, () => context.newPage()));

// A new browser that is signed in at the providers, but not at the server. Its tabs come back from the providers without
// a page of theirs: the third-party provider completes one page of a browser at a time.
const newBrowser = async () => {
  const context = await browser.newContext();
  const page = await context.newPage();
  for (const number of settings.providers.keys()) {
    await page.goto(loginUrl(number));
    await follow(page, settings.person, isDone(number));
  }
  await context.clearCookies({ name: /^hexabase_/ });
  return context;
};

// Makes a tab stop when it returns from a provider. `held` resolves to its URL then, and `release` lets it continue.
const holdReturn = async (page) => {
  const session = await page.context().newCDPSession(page);
  let release;
  const held = new Promise((resolve) => session.on('Fetch.requestPaused', ({ requestId, request }) => {
    release = () => session.send('Fetch.continueRequest', { requestId });
    resolve(request.url);
  }));
  await session.send('Fetch.enable', { patterns: [{ urlPattern: `${settings.server}/auth/callback/*` }] });
  return { held, release: () => release() };
};

// Lets all tabs begin to sign in with `begin`, then lets all of them finish.
const together = async (pages, begin) => {
  const returns = await all(pages.map(holdReturn));
  const begun = pages.map(begin);
  await Promise.race([all(returns.map(({ held }) => held)), all(begun)]);
  await all(returns.map(({ release }) => release()));
  await all(begun);
};

// An application: begins a sign-in in a tab, and redeems the code that the browser brings back.
const application = async ({ id, secret, port }) => {
  const execute = [client.allowInsecureRequests];
  const config = await client.discovery(new URL(settings.server), id, secret, undefined, { execute });
  const redirect_uri = `http://127.0.0.1:${port}/callback`;
  const listener = createServer((_, response) => response.end('signed in'));
  await new Promise((listening) => listener.listen(port, '127.0.0.1', listening));
  const pkceCodeVerifier = client.randomPKCECodeVerifier();
  const [expectedState, expectedNonce] = [client.randomState(), client.randomNonce()];
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri,
    scope: 'openid email profile groups offline_access',
    code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
    state: expectedState,
    nonce: expectedNonce,
  });
  return {
    begin: (page) => page.goto(url.href),
    isDone: (page) => page.url().startsWith(redirect_uri),
    user: async (page) => {
      const checks = { pkceCodeVerifier, expectedState, expectedNonce, idTokenExpected: true };
      const tokens = await client.authorizationCodeGrant(config, new URL(page.url()), checks);
      return tokens.claims().email;
    },
    close: () => listener.close(),
  };
};

try {
  // Ten tabs begin to sign in before the first of them finishes.
  const tabs = await tabsOf(await newBrowser(), 10);
  await together(tabs, (page, number) => page.goto(loginUrl(number)));
  for (const [number, page] of tabs.entries()) {
    assert.ok(isDone(number)(page), page.url());
    assert.equal(await userOn(page), settings.person);
  }
  report('ten tabs');

  // Two applications send one browser at the same time. Both tabs are signed in before the user consents on either.
  const applications = await all(settings.clients.map(application));
  const pages = await tabsOf(await newBrowser(), applications.length);
  await all(applications.map((one, number) => one.begin(pages[number])));
  await together(pages, async (page, number) => {
    await page.click(`a[href^="/auth/login/${providerOf(number)}?"]`);
    await page.waitForSelector('button[value=allow]');
  });
  await all(applications.map((one, number) => follow(pages[number], settings.person, one.isDone)));
  for (const [number, one] of applications.entries()) {
    assert.equal(await one.user(pages[number]), settings.person);
    one.close();
  }
  report('two applications');

  // A callback in another browser fails, and leaves the sign-in to the browser that began it.
  const own = await (await newBrowser()).newPage();
  const { held, release } = await holdReturn(own);
  const begun = own.goto(loginUrl(0));
  const url = await held;
  const other = await browser.newContext();
  const refused = await (await other.newPage()).goto(url);
  assert.equal(refused.status(), 401);
  assert.deepEqual((await other.cookies(settings.server)).map(({ name }) => name), []);
  await release();
  await begun;
  assert.ok(isDone(0)(own), own.url());
  assert.equal(await userOn(own), settings.person);
  report('callback in another browser');
} finally {
  await browser.close();
}
process.exit(0);
