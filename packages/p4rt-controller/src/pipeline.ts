import { createHash } from 'node:crypto';
import { P4Info } from '@infra-offload/p4info/proto';
import { type P4RuntimeSession, P4rtError } from '@infra-offload/p4rt';
import type { SwitchPipeline } from './options.js';

/** 64 bits of a hash over both parts: equal pipelines have equal cookies, whoever sets them. */
function cookieOf({ p4info, deviceConfig }: SwitchPipeline): bigint {
  const message = 'p4info' in p4info ? p4info.p4info : p4info;
  const hash = createHash('sha256').update(P4Info.encode(message).finish()).update(deviceConfig);
  return hash.digest().readBigUInt64BE();
}

/**
 * Makes the switch run the pipeline, unless it does. What fits of its entries is kept where the target can do that.
 * @returns what was done; undefined if there was nothing to do
 * @throws P4rtError if the switch refuses it
 */
export async function ensurePipeline(
  session: P4RuntimeSession,
  pipeline: SwitchPipeline,
): Promise<'RECONCILE_AND_COMMIT' | 'VERIFY_AND_COMMIT' | undefined> {
  const cookie = cookieOf(pipeline);
  const { p4info, deviceConfig } = pipeline;
  const current = await session.getPipeline('COOKIE_ONLY').catch((error: unknown) => {
    // How some targets say that they have none.
    if (P4rtError.is(error, 'NOT_FOUND')) return undefined;
    throw error;
  });
  if (current?.cookie === cookie) return undefined;
  if (current !== undefined) return session.reconcilePipeline(p4info, deviceConfig, { cookie });
  await session.setPipeline(p4info, deviceConfig, { action: 'VERIFY_AND_COMMIT', cookie });
  return 'VERIFY_AND_COMMIT';
}
