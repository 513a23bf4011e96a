// Few kubeconfigs refresh tokens of OpenID Connect, so the package is loaded for the first refresh.
const load = () => import('./openid-client-used.mjs');

export async function discovery(...args) {
  return await (await load()).discovery(...args);
}

export async function refreshTokenGrant(...args) {
  return await (await load()).refreshTokenGrant(...args);
}
