// A client that is not ours (`openid-client`), and somebody with a real browser: node client.mjs SETTINGS
//
// SETTINGS is JSON: where the provider is, which client to be, where Chromium is, and who the person is. Everything that
// went as it should is printed, one JSON object per line; the first thing that does not ends the program.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import * as client from 'openid-client';
import { follow, open } from './browser.mjs';

const settings = JSON.parse(process.argv[2]);
const say = (step, seen = {}) => console.log(JSON.stringify({ step, ...seen }));
const claimsOf = (token) => JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));

const options = { execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks] };
const discover = (more = {}) => client.discovery(
  new URL(settings.issuer), settings.clientId, settings.clientSecret ?? undefined,
  settings.clientSecret ? undefined : client.None(), { ...options, ...more },
);
const config = await discover();
say('discovered');

const { browser, page } = await open(settings.chromium);

// Whoever comes back to the client: a program on one's own machine, on whichever port is free.
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
  assert.deepEqual(did.filter((one) => one !== 'went on'), ['signed in', 'agreed']);
  say('code', { claims: tokens.claims(), idToken: tokens.id_token });

  // Nobody is asked a second time.
  const quiet = await authorize(config, { prompt: 'none' });
  assert.equal(quiet.claims().sub, tokens.claims().sub);
  assert.deepEqual(did, []);
  say('prompt none');

  const anew = await authorize(config, { max_age: '0' });
  assert(did.includes('signed in') && !did.includes('agreed'));
  assert(anew.claims().auth_time >= tokens.claims().auth_time);
  say('max_age');

  const info = await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub);
  say('userinfo', { info });

  const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token);
  assert.notEqual(refreshed.refresh_token, tokens.refresh_token);
  assert.equal(refreshed.claims().auth_time, tokens.claims().auth_time);
  say('refresh', { idToken: refreshed.id_token });

  // The token as it comes is verified; the same with another subject is not believed.
  const forged = await discover({
    [client.customFetch]: async (...request) => {
      const answer = await fetch(...request);
      if (!String(request[0]).endsWith('/oauth2/token')) return answer;
      const body = await answer.json();
      const [head, , signature] = body.id_token.split('.');
      const claims = { ...claimsOf(body.id_token), email: 'mallory@example.com' };
      body.id_token = [head, Buffer.from(JSON.stringify(claims)).toString('base64url'), signature].join('.');
      return new Response(JSON.stringify(body), answer);
    },
  });
  await assert.rejects(authorize(forged), ({ cause }) => /signature/i.test(cause));
  say('tampered token refused');

  const device = await client.initiateDeviceAuthorization(config, { scope: settings.scope });
  await page.goto(device.verification_uri_complete);
  await page.click('button[value=allow]');
  await page.waitForSelector('text=Your device is connected');
  const onDevice = await client.pollDeviceAuthorizationGrant(config, device);
  assert.equal(onDevice.claims().sub, tokens.claims().sub);
  say('device');

  if (settings.clientSecret) {
    const good = await client.tokenIntrospection(config, refreshed.access_token);
    assert(good.active && good.sub === tokens.claims().sub);
    say('introspection');
  }
  await client.tokenRevocation(config, refreshed.refresh_token);
  await assert.rejects(client.refreshTokenGrant(config, refreshed.refresh_token));
  await assert.rejects(client.fetchUserInfo(config, refreshed.access_token, tokens.claims().sub));
  if (settings.clientSecret) {
    assert(!(await client.tokenIntrospection(config, refreshed.access_token)).active);
  }
  say('revocation');

  const leave = client.buildEndSessionUrl(config, {
    id_token_hint: tokens.id_token, post_logout_redirect_uri: redirect_uri, state: 'bye',
  });
  const left = new Promise((resolve) => { came = resolve; });
  await page.goto(leave.href);
  assert.equal((await left).searchParams.get('state'), 'bye');
  // Whoever is signed out cannot be signed in quietly.
  await assert.rejects(authorize(config, { prompt: 'none' }), { error: 'login_required' });
  say('logout');
} finally {
  await browser.close();
  listener.close();
}
