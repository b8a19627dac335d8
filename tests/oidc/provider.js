// An identity provider on the loopback address: node provider.js PORT
//
// Whoever knows the client's secret gets a token for the user that they name, and with the scopes that they ask for:
//   curl -u demo:demo-secret -d grant_type=client_credentials -d user=ann http://127.0.0.1:PORT/token
// SIGHUP makes a new key: the key set then has it and those before it, and new tokens are signed with it.
import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import Provider from 'oidc-provider';

const port = Number(process.argv[2]);
const issuer = `http://127.0.0.1:${port}`;
const scopes = ['rsvp:read', 'rsvp:write', 'rsvp:admin'];
const keys = [];
let handle;

function makeKey() {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { ...privateKey.export({ format: 'jwk' }), kid: `key-${keys.length + 1}`, use: 'sig', alg: 'RS256' };
}

// The key set of a provider is fixed, so another key takes another provider. Nothing else is kept in one.
function rotate() {
  keys.unshift(makeKey());
  handle = new Provider(issuer, {
    jwks: { keys },
    scopes,
    clients: [{
      client_id: 'demo', client_secret: 'demo-secret', grant_types: ['client_credentials'],
      redirect_uris: [], response_types: [],
    }],
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => 'urn:rsvpd',
        getResourceServerInfo: () => ({
          scope: scopes.join(' '), audience: 'rsvpd', accessTokenTTL: 600, accessTokenFormat: 'jwt',
          jwt: { sign: { alg: 'RS256' } },
        }),
      },
    },
    formats: {
      customizers: {
        jwt(ctx, token, jwt) {
          jwt.payload.sub = ctx.oidc.body.user ?? 'demo';
        },
      },
    },
  }).callback();
}

rotate();
process.on('SIGHUP', rotate);
createServer((request, response) => handle(request, response)).listen(port, '127.0.0.1');
