// A CI system that is not ours: node ci.mjs PORT. Its jobs get tokens as those of GitHub Actions do, from
// /token?audience=AUDIENCE with the bearer `the job's own`; what they say of a job is in the query too.
import { createServer } from 'node:http';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';

const [port] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;
const { privateKey, publicKey } = await generateKeyPair('RS256');
const key = { ...(await exportJWK(publicKey)), kid: 'ci', alg: 'RS256', use: 'sig' };

const sign = ({ audience, ...claims }) =>
  new SignJWT({ sub: `repo:${claims.repository}`, ...claims })
    .setProtectedHeader({ alg: 'RS256', typ: 'JWT', kid: key.kid })
    .setIssuer(issuer)
    .setAudience(audience)
    .setIssuedAt()
    .setNotBefore('-5s')
    .setExpirationTime('5m')
    .sign(privateKey);

createServer(async (request, response) => {
  const { pathname, searchParams } = new URL(request.url, issuer);
  const answer = (status, body) =>
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  if (pathname === '/.well-known/openid-configuration') {
    // What GitHub Actions says, which is less than where people sign in.
    answer(200, { issuer, jwks_uri: `${issuer}/keys`, id_token_signing_alg_values_supported: ['RS256'] });
  } else if (pathname === '/keys') {
    answer(200, { keys: [key] });
  } else if (pathname === '/token' && request.headers.authorization === "Bearer the job's own") {
    answer(200, { value: await sign(Object.fromEntries(searchParams)) });
  } else {
    answer(404, {});
  }
}).listen(Number(port), '127.0.0.1');
