import type {
  ICapabilities,
  IContainer,
  IEphemeralContainer,
  IPodSecurityContext,
  IPodSpec,
  ISecurityContext,
} from 'kubernetes-models/v1';

/**
 * The rules of the Pod Security Standards, levels "baseline" and "restricted" together, as published at
 * https://kubernetes.io/docs/concepts/security/pod-security-standards/ (Kubernetes 1.34, Linux).
 */
const VOLUME_TYPES = [
  'configMap',
  'csi',
  'downwardAPI',
  'emptyDir',
  'ephemeral',
  'persistentVolumeClaim',
  'projected',
  'secret',
];
const SAFE_SYSCTLS = [
  'kernel.shm_rmid_forced',
  'net.ipv4.ip_local_port_range',
  'net.ipv4.ip_local_reserved_ports',
  'net.ipv4.ip_unprivileged_port_start',
  'net.ipv4.ping_group_range',
  'net.ipv4.tcp_fin_timeout',
  'net.ipv4.tcp_keepalive_intvl',
  'net.ipv4.tcp_keepalive_probes',
  'net.ipv4.tcp_keepalive_time',
  'net.ipv4.tcp_rmem',
  'net.ipv4.tcp_syncookies',
  'net.ipv4.tcp_wmem',
];
const SELINUX_TYPES = ['', 'container_t', 'container_init_t', 'container_kvm_t', 'container_engine_t'];
const PROFILES = ['RuntimeDefault', 'Localhost'];
const APPARMOR_ANNOTATION = 'container.apparmor.security.beta.kubernetes.io/';
const APPARMOR_VALUES = /^(runtime\/default|localhost\/.*)?$/;

type AnyContainer = IContainer | IEphemeralContainer;

/** What breaks the "restricted" level, one line each: `containers[web]: privileged`. */
export function restrictedFaults(
  pod: IPodSpec,
  annotations: Readonly<Record<string, string>> = {},
): string[] {
  const faults = [...podFaults(pod), ...annotationFaults(annotations)];
  const lists = {
    containers: pod.containers,
    initContainers: pod.initContainers,
    ephemeralContainers: pod.ephemeralContainers,
  };
  for (const [list, containers] of Object.entries(lists)) {
    for (const container of containers ?? []) {
      const found = containerFaults(container, pod.securityContext ?? {});
      faults.push(...found.map((fault) => `${list}[${container.name}]: ${fault}`));
    }
  }
  return faults;
}

function podFaults(pod: IPodSpec): string[] {
  const faults: string[] = [];
  for (const field of ['hostNetwork', 'hostPID', 'hostIPC'] as const) {
    if (pod[field] === true) faults.push(field);
  }
  for (const { name, ...source } of pod.volumes ?? []) {
    const types = Object.keys(source);
    const refused = types.filter((type) => !VOLUME_TYPES.includes(type));
    // Without a type the API server takes an emptyDir.
    faults.push(...refused.map((type) => `volumes[${name}]: ${type}`));
  }
  const context: IPodSecurityContext = pod.securityContext ?? {};
  for (const { name } of context.sysctls ?? []) {
    if (!SAFE_SYSCTLS.includes(name)) faults.push(`sysctl ${name}`);
  }
  // Fields that containers can set are checked per container; here, only those of the pod.
  if (context.runAsNonRoot === false) faults.push('runAsNonRoot false');
  return [...faults, ...sharedFaults(context)];
}

/** Rules for fields that pods and containers share. */
function sharedFaults(context: ISecurityContext | IPodSecurityContext): string[] {
  const faults: string[] = [];
  if (context.runAsUser === 0) faults.push('runAsUser 0');
  if (context.windowsOptions?.hostProcess === true) faults.push('windowsOptions.hostProcess');
  const { type = '', user = '', role = '' } = context.seLinuxOptions ?? {};
  if (!SELINUX_TYPES.includes(type)) faults.push(`seLinuxOptions.type ${type}`);
  if (user !== '') faults.push('seLinuxOptions.user');
  if (role !== '') faults.push('seLinuxOptions.role');
  const appArmor = context.appArmorProfile?.type;
  if (appArmor !== undefined && !PROFILES.includes(appArmor)) faults.push(`appArmorProfile ${appArmor}`);
  const seccomp = context.seccompProfile?.type;
  if (seccomp !== undefined && !PROFILES.includes(seccomp)) faults.push(`seccompProfile ${seccomp}`);
  return faults;
}

function containerFaults(container: AnyContainer, pod: IPodSecurityContext): string[] {
  const context: ISecurityContext = container.securityContext ?? {};
  const faults = sharedFaults(context);
  if (context.privileged === true) faults.push('privileged');
  if (context.allowPrivilegeEscalation !== false) faults.push('allowPrivilegeEscalation not false');
  if (context.runAsNonRoot === false) faults.push('runAsNonRoot false');
  else if ((context.runAsNonRoot ?? pod.runAsNonRoot) !== true) faults.push('runAsNonRoot not set');
  if ((context.seccompProfile ?? pod.seccompProfile) === undefined) faults.push('seccompProfile not set');
  const { procMount = 'Default' } = context;
  if (procMount !== 'Default') faults.push(`procMount ${procMount}`);
  for (const { hostPort = 0 } of container.ports ?? []) {
    if (hostPort !== 0) faults.push(`hostPort ${String(hostPort)}`);
  }
  return [...faults, ...capabilityFaults(context.capabilities ?? {}), ...hostFaults(container)];
}

function capabilityFaults({ add, drop }: ICapabilities): string[] {
  const faults = (add ?? [])
    .filter((name) => name !== 'NET_BIND_SERVICE')
    .map((name) => `capability ${name}`);
  return drop?.includes('ALL') === true ? faults : [...faults, 'capabilities not dropped'];
}

/** Probes and hooks may go to the pod only. */
function hostFaults(container: AnyContainer): string[] {
  const { livenessProbe, readinessProbe, startupProbe, lifecycle } = container;
  const handlers = {
    livenessProbe,
    readinessProbe,
    startupProbe,
    postStart: lifecycle?.postStart,
    preStop: lifecycle?.preStop,
  };
  return Object.entries(handlers)
    .filter(([, handler]) => (handler?.httpGet?.host ?? '') !== '' || (handler?.tcpSocket?.host ?? '') !== '')
    .map(([name]) => `${name} to another host`);
}

function annotationFaults(annotations: Readonly<Record<string, string>>): string[] {
  return Object.entries(annotations)
    .filter(([key, value]) => key.startsWith(APPARMOR_ANNOTATION) && !APPARMOR_VALUES.test(value))
    .map(([key, value]) => `annotation ${key} ${value}`);
}
