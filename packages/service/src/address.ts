import * as z from 'zod';

const HOST_PORT = /^(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9](?:[-A-Za-z0-9._]*[A-Za-z0-9])?):(\d{1,5})$/;

/** Schema of `host:port`, an IPv6 address in brackets. Port 0 takes a free one. */
export function addressSchema(minPort: 0 | 1) {
  return z.string().refine(
    (text) => {
      const port = HOST_PORT.exec(text)?.[1];
      return port !== undefined && Number(port) >= minPort && Number(port) <= 65_535;
    },
    { error: `is not of the form host:port with a port from ${minPort} to 65535` },
  );
}

/** Host without brackets, and port. */
export function splitAddress(address: string): { readonly host: string; readonly port: number } {
  const colon = address.lastIndexOf(':');
  return { host: address.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(address.slice(colon + 1)) };
}
