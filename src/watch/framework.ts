import { KubeConfig } from '@kubernetes/client-node';
import framework from '@dot-i/k8s-operator';
import type { OperatorLogger, ResourceEvent } from '@dot-i/k8s-operator';

import type { Logger } from '../observability/logger.js';

export type { ResourceEvent };

// The framework is CommonJS: its default export is a property of what `import` calls the default.
export const { ResourceEventType, ResourceMetaImpl } = framework;
const Operator = framework.default;

/**
 * The framework's operator on a given configuration. Its constructor loads a default one, which throws
 * when `KUBECONFIG` names a file that is not there, although another configuration was given; for the
 * length of that constructor, loading the default gives the injected configuration.
 */
export abstract class FrameworkOperator extends Operator {
  constructor(kubeConfig: KubeConfig, logger: Logger) {
    const loadFromDefault = Object.getOwnPropertyDescriptor(KubeConfig.prototype, 'loadFromDefault');
    KubeConfig.prototype.loadFromDefault = function (this: KubeConfig) {
      this.loadFromOptions({
        clusters: kubeConfig.clusters,
        contexts: kubeConfig.contexts,
        users: kubeConfig.users,
        currentContext: kubeConfig.currentContext,
      });
    };
    try {
      super(frameworkLogger(logger));
    } finally {
      if (loadFromDefault) Object.defineProperty(KubeConfig.prototype, 'loadFromDefault', loadFromDefault);
    }
    this.kubeConfig = kubeConfig;
  }
}

/** The framework puts what differs into the message; it becomes a fact beside a constant one. */
function frameworkLogger(logger: Logger): OperatorLogger {
  const say = (level: 'debug' | 'info' | 'warn' | 'error') => (text: string) => {
    logger[level]('operator framework', { text });
  };
  return { debug: say('debug'), info: say('info'), warn: say('warn'), error: say('error') };
}
