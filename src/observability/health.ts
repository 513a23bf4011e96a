import { type Answer, type Routes, text } from './http-endpoint.js';

/** One readiness check: returns what is missing, or undefined. */
export interface ReadinessCheck {
  readonly name: string;
  problem(): string | undefined;
  /** Something to report that does not affect readiness. */
  note?(): string | undefined;
}

/** `/healthz` answers as long as the event loop runs; `/readyz` lists what is missing, if anything. */
export function healthRoutes(checks: readonly ReadinessCheck[]): Routes {
  return {
    '/healthz': () => text(200, 'ok'),
    '/readyz': () => readiness(checks),
  };
}

function readiness(checks: readonly ReadinessCheck[]): Answer {
  const lines = checks.map((check) => {
    const { name } = check;
    const missing = check.problem();
    const said = missing ?? check.note?.();
    return {
      ok: missing === undefined,
      line: `[${missing === undefined ? '+' : '-'}] ${name}${said === undefined ? '' : `: ${said}`}`,
    };
  });
  const ready = lines.every(({ ok }) => ok);
  return text(
    ready ? 200 : 503,
    [...lines.map(({ line }) => line), ready ? 'ready' : 'not ready'].join('\n'),
  );
}
