/** Few kubeconfigs have a SOCKS proxy, and loading the package takes a twentieth of the start. */
exports.SocksProxyAgent = class {
  constructor(...args) {
    const { SocksProxyAgent } = require('socks-proxy-agent/dist/index.js');
    return new SocksProxyAgent(...args);
  }
};
