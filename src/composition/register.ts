import type { DependencyContainer, InjectionToken } from 'tsyringe';

/** Registers a factory that runs once per container. */
export type Register = <T>(token: InjectionToken<T>, make: (container: DependencyContainer) => T) => void;
