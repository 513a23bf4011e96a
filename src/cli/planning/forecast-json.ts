import { type Forecast, type ForecastSource, hasChanges, hasErrors } from './forecast.js';

/** Raised when a field is renamed or removed; new fields may come without it. */
const FORMAT_VERSION = 1;

/** The document of `-o json`, described in docs/authoring.md; holds names, never a value. */
export function planDocument(
  forecasts: readonly Forecast[],
  sourceOf: (forecast: Forecast) => ForecastSource,
): object {
  return {
    formatVersion: FORMAT_VERSION,
    resources: forecasts.map((forecast) => {
      const {
        secret,
        action,
        path,
        engine,
        versions,
        keys,
        metadata,
        findings,
        conflict,
        notes,
        onDeletion,
      } = forecast;
      const { namespace, name } = secret.metadata;
      return {
        kind: secret.kind,
        namespace,
        name,
        source: sourceOf(forecast) ?? null,
        action,
        path: path ?? null,
        engine: engine ?? null,
        versions: versions ?? null,
        keys,
        metadata: metadata ?? null,
        findings: findings.map(({ reason, message }) => ({ reason, message })),
        pathConflict: conflict ?? null,
        notes,
        onDeletion,
        hasErrors: hasErrors(forecast),
      };
    }),
    summary: {
      resources: forecasts.length,
      toWrite: forecasts.filter(hasChanges).length,
      withErrors: forecasts.filter(hasErrors).length,
    },
  };
}
