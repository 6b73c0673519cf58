// Third-party OpenID Connect provider: node provider.mjs HOST PORT REDIRECT_URI...
//
// The login name is used as the user's verified e-mail address; an address that begins with `unverified` is not verified.
import { createServer } from 'node:http';
import { generateKeyPairSync } from 'node:crypto';
import { Provider } from 'oidc-provider';

// With RS256 the keys are the same at every start: the package's built-in development keys.
const algorithm = process.env.HEXABASE_TEST_PEER_SIGNS ?? 'RS256';
const elliptic = () => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' });

const [host, port, ...redirectUris] = process.argv.slice(2);

const provider = new Provider(`http://${host}:${port}`, {
  ...(algorithm === 'ES256' && { jwks: { keys: [elliptic()] } }),
  clients: [{
    client_id: 'hexabase',
    client_secret: 'the secret of hexabase',
    redirect_uris: redirectUris,
    response_types: ['code'],
    grant_types: ['authorization_code'],
    id_token_signed_response_alg: algorithm,
  }],
  claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
  cookies: { keys: ['a key for cookies in tests'] },
  pkce: { required: () => true },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({
      sub: id,
      email: id,
      email_verified: !id.startsWith('unverified'),
      name: id.split('@')[0],
    }),
  }),
});

for (const address of new Set([host, '127.0.0.1'])) createServer(provider.callback()).listen(Number(port), address);
