// Third-party client (`openid-client`) and a user with a real browser: node client.mjs SETTINGS
//
// SETTINGS is JSON: the issuer, the client, the path of Chromium and the user's e-mail address. Each successful step is
// printed as a JSON object on one line; the first failure ends the program.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import * as client from 'openid-client';
import { follow, open } from './browser.mjs';

const settings = JSON.parse(process.argv[2]);
const report = (step, seen = {}) => console.log(JSON.stringify({ step, ...seen }));
const claimsOf = (token) => JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));

const options = { execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks] };
const discover = (more = {}) => client.discovery(
  new URL(settings.issuer), settings.clientId, settings.clientSecret ?? undefined,
  settings.clientSecret ? undefined : client.None(), { ...options, ...more },
);
const config = await discover();
report('discovered');

const { browser, page } = await open(settings.chromium);

// Redirects back to the client: a native client on a free loopback port.
let came;
const listener = createServer((request, response) => {
  response.end('signed in');
  if (request.url.startsWith('/callback')) came(new URL(request.url, `http://127.0.0.1:${listener.address().port}`));
});
await new Promise((listening) => listener.listen(settings.port ?? 0, '127.0.0.1', listening));
const redirect_uri = `http://127.0.0.1:${listener.address().port}/callback`;

let did = [];
const arrive = async (begin) => {
  const back = new Promise((resolve) => { came = resolve; });
  await page.goto(begin);
  did = await follow(page, settings.person, () => page.url().startsWith(redirect_uri));
  return back;
};

const authorize = async (on, more = {}) => {
  const pkceCodeVerifier = client.randomPKCECodeVerifier();
  const [expectedState, expectedNonce] = [client.randomState(), client.randomNonce()];
  const url = client.buildAuthorizationUrl(on, {
    redirect_uri,
    scope: settings.scope,
    code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
    state: expectedState,
    nonce: expectedNonce,
    ...more,
  });
  const back = await arrive(url.href);
  const maxAge = more.max_age === undefined ? undefined : Number(more.max_age);
  return client.authorizationCodeGrant(on, back, { pkceCodeVerifier, expectedState, expectedNonce, maxAge, idTokenExpected: true });
};

try {
  const tokens = await authorize(config);
  assert.deepEqual(did.filter((one) => one !== 'continued'), ['signed in', 'consented']);
  report('code', { claims: tokens.claims(), idToken: tokens.id_token });

  // The second request needs no interaction, unless any program on this machine could pretend to be the client.
  if (settings.clientSecret) {
    const quiet = await authorize(config, { prompt: 'none' });
    assert.equal(quiet.claims().sub, tokens.claims().sub);
  } else {
    await assert.rejects(authorize(config, { prompt: 'none' }), { error: 'consent_required' });
  }
  assert.deepEqual(did, []);
  report('prompt none');

  const reauthenticated = await authorize(config, { max_age: '0' });
  assert(did.includes('signed in'));
  assert.equal(did.includes('consented'), !settings.clientSecret);
  assert(reauthenticated.claims().auth_time >= tokens.claims().auth_time);
  report('max_age');

  const info = await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub);
  report('userinfo', { info });

  const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token);
  assert.notEqual(refreshed.refresh_token, tokens.refresh_token);
  assert.equal(refreshed.claims().auth_time, tokens.claims().auth_time);
  report('refresh', { idToken: refreshed.id_token });

  // The client verifies the signature: the same token with another claim is rejected.
  const forged = await discover({
    [client.customFetch]: async (...request) => {
      const response = await fetch(...request);
      if (!String(request[0]).endsWith('/oauth2/token')) return response;
      const body = await response.json();
      const [head, , signature] = body.id_token.split('.');
      const claims = { ...claimsOf(body.id_token), email: 'mallory@example.com' };
      body.id_token = [head, Buffer.from(JSON.stringify(claims)).toString('base64url'), signature].join('.');
      return new Response(JSON.stringify(body), response);
    },
  });
  await assert.rejects(authorize(forged), ({ cause }) => /signature/i.test(cause));
  report('tampered token refused');

  const device = await client.initiateDeviceAuthorization(config, { scope: settings.scope });
  await page.goto(device.verification_uri_complete);
  await page.click('button[value=allow]');
  await page.waitForSelector('text=Your device is connected');
  const onDevice = await client.pollDeviceAuthorizationGrant(config, device);
  assert.equal(onDevice.claims().sub, tokens.claims().sub);
  report('device');

  if (settings.clientSecret) {
    const good = await client.tokenIntrospection(config, refreshed.access_token);
    assert(good.active && good.sub === tokens.claims().sub);
    report('introspection');
  }
  await client.tokenRevocation(config, refreshed.refresh_token);
  await assert.rejects(client.refreshTokenGrant(config, refreshed.refresh_token));
  await assert.rejects(client.fetchUserInfo(config, refreshed.access_token, tokens.claims().sub));
  if (settings.clientSecret) {
    assert(!(await client.tokenIntrospection(config, refreshed.access_token)).active);
  }
  report('revocation');

  const leave = client.buildEndSessionUrl(config, {
    id_token_hint: tokens.id_token, post_logout_redirect_uri: redirect_uri, state: 'bye',
  });
  const left = new Promise((resolve) => { came = resolve; });
  await page.goto(leave.href);
  await page.click('button');
  assert.equal((await left).searchParams.get('state'), 'bye');
  // After logout, `prompt=none` fails.
  await assert.rejects(authorize(config, { prompt: 'none' }), { error: 'login_required' });
  report('logout');
} finally {
  await browser.close();
  listener.close();
}
