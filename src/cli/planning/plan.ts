import { inject, injectable } from 'tsyringe';

import { PARTIAL_KIND } from '../../api/group.js';
import { TOKENS } from '../../tokens.js';
import type { CallerSession } from '../../vault/caller-session.js';
import type { VaultTransport } from '../../vault/vault-transport.js';
import type { Console } from '../console.js';
import { type DeclaredResource, declaredResources } from './declared-resources.js';
import { type Forecast, type ForecastSource, hasChanges, hasErrors } from './forecast.js';
import { planDocument } from './forecast-json.js';
import { forecastLines, summaryLine } from './forecast-text.js';
import type { Forecaster } from './forecaster.js';
import type { PlannedCluster } from './planned-cluster.js';
import type { PlanScope } from './plan-scope.js';

export interface PlanRequest {
  /** Files, folders, `-`. */
  readonly files: readonly string[];
  readonly output: 'text' | 'json';
}

/** Exit codes of the command. */
const NOTHING_TO_DO = 0;
const ERRORS = 1;
const CHANGES = 2;

/** Shows what the operator would write to Vault, key by key. Writes nothing. */
@injectable()
export class Plan {
  constructor(
    @inject(TOKENS.console) private readonly console: Console,
    @inject(TOKENS.stdin) private readonly stdin: AsyncIterable<Uint8Array>,
    @inject(TOKENS.planScope) private readonly scope: PlanScope,
    @inject(TOKENS.plannedCluster) private readonly cluster: PlannedCluster,
    @inject(TOKENS.forecaster) private readonly forecaster: Forecaster,
    @inject(TOKENS.vaultSession) private readonly vault: Pick<CallerSession, 'check'>,
    @inject(TOKENS.transport) private readonly transport: Pick<VaultTransport, 'close'>,
  ) {}

  /**
   * @returns the exit code: 1 when something is wrong with a resource, else 2 when something would be written.
   * @throws AuthorError, VaultError
   */
  async run({ files, output }: PlanRequest): Promise<number> {
    const { console } = this;
    try {
      const declared = await declaredResources(files, this.stdin, this.scope);
      const secrets = await this.cluster.apply(declared);
      if (secrets.length > 0) await this.vault.check();
      const forecasts = await this.forecaster.forecast(secrets, (done) => {
        console.progress(`${String(done)} of ${String(secrets.length)} resources`);
      });
      console.progressDone();
      this.show(forecasts, declared, output);
      if (forecasts.some(hasErrors)) return ERRORS;
      return forecasts.some(hasChanges) ? CHANGES : NOTHING_TO_DO;
    } finally {
      this.transport.close();
    }
  }

  private show(
    forecasts: readonly Forecast[],
    declared: readonly DeclaredResource[],
    output: PlanRequest['output'],
  ): void {
    const { console } = this;
    const sources = new Map(
      declared.flatMap(({ kind, namespace, name, source }) =>
        kind === PARTIAL_KIND ? [] : [[`${namespace}/${name}`, source] as const],
      ),
    );
    const sourceOf = ({ secret: { metadata } }: Forecast): ForecastSource =>
      sources.get(`${metadata.namespace}/${metadata.name}`);
    if (output === 'json') {
      console.print(JSON.stringify(planDocument(forecasts, sourceOf), null, 2));
      return;
    }
    for (const forecast of forecasts) {
      const paint: Parameters<typeof forecastLines>[2] = (colour, text) => console.colour(colour, text);
      for (const line of forecastLines(forecast, sourceOf(forecast), paint)) console.print(line);
      console.print('');
    }
    console.print(summaryLine(forecasts));
  }
}
