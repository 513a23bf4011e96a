import { BlockList, isIP, isIPv4 } from 'node:net';

import { badRequest } from './protocol.js';

/** The address of every client. */
const PEER = '127.0.0.1';

/** @throws VaultFault for what is no address and no block, as `parseutil.ParseAddrs` and `net.ParseCIDR` do. */
export function checkedCidrs(cidrs: readonly string[]): readonly string[] {
  for (const cidr of cidrs) {
    const [address = '', prefix] = cidr.split('/');
    const most = isIPv4(address) ? 32 : 128;
    const isSound = prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= most);
    if (isIP(address) === 0 || !isSound) throw badRequest(`error parsing address "${cidr}"`);
  }
  return cidrs;
}

/** Whether the peer is in one of the blocks; true without blocks. */
export function admitsPeer(cidrs: readonly string[]): boolean {
  return cidrs.length === 0 || cidrs.some((cidr) => contains(cidr));
}

function contains(cidr: string): boolean {
  const [address = '', prefix] = cidr.split('/');
  const [family, whole] = isIPv4(address) ? (['ipv4', 32] as const) : (['ipv6', 128] as const);
  const block = new BlockList();
  block.addSubnet(address, Number(prefix ?? whole), family);
  return block.check(PEER, 'ipv4');
}
