// Third-party CI system: node ci.mjs PORT. Its jobs request tokens as in GitHub Actions, from
// /token?audience=AUDIENCE with the bearer token `the job's own`; further query parameters become claims.
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
  const respond = (status, body) =>
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  if (pathname === '/.well-known/openid-configuration') {
    // The same metadata as GitHub Actions, which is less than that of a sign-in provider.
    respond(200, { issuer, jwks_uri: `${issuer}/keys`, id_token_signing_alg_values_supported: ['RS256'] });
  } else if (pathname === '/keys') {
    respond(200, { keys: [key] });
  } else if (pathname === '/token' && request.headers.authorization === "Bearer the job's own") {
    respond(200, { value: await sign(Object.fromEntries(searchParams)) });
  } else {
    respond(404, {});
  }
}).listen(Number(port), '127.0.0.1');
