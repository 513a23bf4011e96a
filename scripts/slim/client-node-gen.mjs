// What KubeConfig needs to construct an API client; there is none here that sends anything.
export class ServerConfiguration {}
export function createConfiguration(configuration) {
  return configuration;
}
