import type { ServerResponse } from 'node:http';
import type { ServerOptions } from 'node:https';

import { LoopbackServer } from '../shared/loopback-server.js';
import type { SeenRequest } from '../shared/request-log.js';

export interface GithubOrganization {
  readonly id: number;
  readonly login: string;
}

export interface GithubTeam {
  readonly name: string;
  readonly slug: string;
  /** Of the organization. */
  readonly organization: string;
}

export interface GithubUser {
  readonly login: string;
  readonly organizations: readonly string[];
  readonly teams: readonly GithubTeam[];
}

export interface GithubOptions {
  readonly tls?: ServerOptions;
  readonly port?: number;
  readonly organizations: readonly GithubOrganization[];
  /** By personal access token; a test may add and delete tokens. */
  readonly users: Map<string, GithubUser>;
}

/** GitHub's REST API on loopback, as far as a login needs it: the user, organizations and teams, paginated. */
export async function startGithubServer(options: GithubOptions): Promise<LoopbackServer> {
  const server: LoopbackServer = await LoopbackServer.start(
    (seen, _request, response) => {
      serve(options, server.url, seen, response);
    },
    {
      ...(options.tls === undefined ? {} : { tls: options.tls }),
      ...(options.port === undefined ? {} : { port: options.port }),
    },
  );
  return server;
}

function serve(options: GithubOptions, base: string, seen: SeenRequest, response: ServerResponse): void {
  const url = new URL(seen.url, base);
  seen.operation = `${seen.method} ${url.pathname}`;
  const [, token = ''] = /^(?:Bearer|token) (.+)$/.exec(String(seen.headers.authorization ?? '')) ?? [];
  const user = options.users.get(token);
  if (seen.headers['user-agent'] === undefined) {
    return json(response, 403, { message: 'Request forbidden by administrative rules.' });
  }
  if (token !== '' && user === undefined) return json(response, 401, { message: 'Bad credentials' });
  const [, name] = /^\/orgs\/([^/]+)$/.exec(url.pathname) ?? [];
  if (name !== undefined) {
    const found = organization(options, decodeURIComponent(name));
    return found === undefined ? json(response, 404, { message: 'Not Found' }) : json(response, 200, found);
  }
  if (user === undefined) return json(response, 401, { message: 'Requires authentication' });
  switch (url.pathname) {
    case '/user':
      return json(response, 200, { login: user.login, id: 1, type: 'User' });
    case '/user/orgs':
      return page(
        response,
        url,
        user.organizations.map((login) => organization(options, login)),
      );
    case '/user/teams': {
      const teams = user.teams.map((team) => ({
        ...team,
        organization: organization(options, team.organization),
      }));
      return page(response, url, teams);
    }
    default:
      return json(response, 404, { message: 'Not Found' });
  }
}

function organization({ organizations }: GithubOptions, login: string): GithubOrganization | undefined {
  return organizations.find((candidate) => candidate.login.toLowerCase() === login.toLowerCase());
}

/** Pages of `per_page`, 30 when it is absent, with the `Link` header to the next one. */
function page(response: ServerResponse, url: URL, items: readonly unknown[]): void {
  const size = Math.min(100, Number(url.searchParams.get('per_page') ?? 30));
  const number = Number(url.searchParams.get('page') ?? 1);
  if (number * size < items.length) {
    const next = new URL(url);
    next.searchParams.set('page', String(number + 1));
    response.setHeader('link', `<${next.href}>; rel="next"`);
  }
  json(response, 200, items.slice((number - 1) * size, number * size));
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' }).end(JSON.stringify(body));
}
