import { type AttachmentKey, CniError, CniErrorCode } from '@infra-offload/cni-types';

/** Longest `<container id>/<interface name>` that the manager takes. */
const MAX_ATTACHMENT_ID_LENGTH = 253;

/**
 * For what is to be attached only: DEL of what could never be attached succeeds, as the runtime would repeat it for ever.
 *
 * @throws CniError 4
 */
export function checkAttachmentIdLength({ containerId, ifname }: AttachmentKey): void {
  const limit = MAX_ATTACHMENT_ID_LENGTH - '/'.length - ifname.length;
  if (containerId.length <= limit) return;
  throw new CniError(
    CniErrorCode.invalidEnvironment,
    `CNI_CONTAINERID has ${containerId.length} characters; with interface name ${ifname} it may have ${limit}`,
  );
}
