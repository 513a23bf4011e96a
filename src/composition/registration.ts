import {
  type DependencyContainer,
  type InjectionToken,
  instancePerContainerCachingFactory,
  Lifecycle as InstancesOf,
} from 'tsyringe';

type Constructor = new (...parameters: never[]) => unknown;

/** A class whose constructor names its dependencies. */
export type Service = readonly [token: symbol, type: Constructor];

/** One instance per container. A child container creates its own, from the tokens that it replaces. */
export function registerServices(container: DependencyContainer, services: readonly Service[]): void {
  for (const [token, type] of services) {
    const useClass = type as new (...parameters: unknown[]) => unknown;
    container.register(token, { useClass }, { lifecycle: InstancesOf.ContainerScoped });
  }
}

/** Registers values; an undefined one stays unregistered, for constructors where it is optional. */
export function registerValues(
  container: DependencyContainer,
  values: readonly (readonly [token: symbol, value: unknown])[],
): void {
  for (const [token, useValue] of values) {
    if (useValue !== undefined) container.register(token, { useValue });
  }
}

/** For dependencies that are not classes; created once per container. */
export function registerFactory<T>(
  container: DependencyContainer,
  token: InjectionToken<T>,
  make: () => T,
): void {
  container.register(token, { useFactory: instancePerContainerCachingFactory(make) });
}

/** Several services under one token, for `@injectAll`. */
export function registerAll(container: DependencyContainer, token: symbol, members: readonly symbol[]): void {
  for (const useToken of members) container.register(token, { useToken });
}
