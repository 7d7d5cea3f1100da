// The npm package oidc-provider as an issuer of ES256 `at+jwt` access tokens: `node oidc_provider.mjs PORT`.
// In memory, one client, and nothing that client_credentials does not need.
import { createRequire } from "node:module";
import { generateKeyPairSync } from "node:crypto";
import { pathToFileURL } from "node:url";

const require = createRequire(`${process.env.BENCH_NPM}/package.json`);
const { Provider } = await import(pathToFileURL(require.resolve("oidc-provider")).href);

const port = Number(process.argv[2]);
const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [
    {
      client_id: process.env.BENCH_CLIENT_ID,
      client_secret: process.env.BENCH_CLIENT_SECRET,
      grant_types: ["client_credentials"],
      id_token_signed_response_alg: "ES256",
      redirect_uris: [],
      response_types: [],
    },
  ],
  scopes: ["all-apis"],
  jwks: { keys: [{ ...privateKey.export({ format: "jwk" }), alg: "ES256", use: "sig", kid: "one" }] },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => "urn:bench:workspace",
      getResourceServerInfo: () => ({
        scope: "all-apis",
        audience: "urn:bench:workspace",
        accessTokenFormat: "jwt",
        accessTokenTTL: 3600,
        jwt: { sign: { alg: "ES256" } },
      }),
    },
  },
});

provider.listen(port, "127.0.0.1", () => console.log("ready"));
