export { discovery, refreshTokenGrant } from 'openid-client';
