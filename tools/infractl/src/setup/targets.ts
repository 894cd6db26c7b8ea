import { join } from 'node:path';
import type { GnmiClient } from '@infra-offload/p4rt';
import {
  certificatesStep,
  commsChannelStep,
  filesStep,
  hugePagesStep,
  interfaceStep,
  listenerStep,
  rootStep,
  tunStep,
} from './node-steps.js';
import type { Step } from './step.js';
import { portMtuStep, targetPortsStep } from './target-ports.js';

export interface DpdkSettings {
  readonly gnmi: GnmiClient;
  readonly p4runtimeAddress: string;
  readonly certificates: string | undefined;
  readonly prefix: string;
  readonly count: number;
  readonly mtu: number;
  readonly hugePages: number;
}

/** A node whose target is a P4-DPDK switch with TAP ports: infrap4d, or the softswitch. */
export function dpdkSteps({
  gnmi,
  p4runtimeAddress,
  certificates,
  hugePages,
  ...ports
}: DpdkSettings): Step[] {
  const hint = 'Start infrap4d or the softswitch, or give its address.';
  return [
    rootStep(),
    tunStep(),
    hugePagesStep(hugePages),
    certificatesStep(certificates),
    listenerStep('P4Runtime of the target', p4runtimeAddress, hint),
    listenerStep('gNMI of the target', gnmi.address, hint),
    targetPortsStep({ gnmi, ...ports }),
    portMtuStep(ports),
  ];
}

export interface Es2kHostSettings {
  readonly physicalFunction: string;
  readonly commsInterface: string;
  readonly commsAddress: string;
  readonly managerAddress: string;
  readonly certificates: string | undefined;
}

/** The node side of split mode: the agent's. */
export function es2kHostSteps(settings: Es2kHostSettings): Step[] {
  const { physicalFunction, commsInterface, commsAddress, managerAddress, certificates } = settings;
  return [
    rootStep(),
    interfaceStep(physicalFunction, 'physical function'),
    interfaceStep(commsInterface, 'interface of the communication channel'),
    commsChannelStep(commsInterface, commsAddress),
    certificatesStep(certificates),
    listenerStep(
      'infra-manager on the IPU',
      managerAddress,
      'Set the IPU up first: infractl setup es2k-split.',
    ),
  ];
}

export interface Es2kSplitSettings {
  readonly commsInterface: string;
  readonly commsAddress: string;
  readonly p4runtimeAddress: string;
  readonly gnmiAddress: string;
  /** The directory of the P4 package that the manager loads; undefined if the device has it. */
  readonly package: string | undefined;
  readonly certificates: string | undefined;
}

/** The IPU's side of split mode: the manager's. */
export function es2kSplitSteps(settings: Es2kSplitSettings): Step[] {
  const { commsInterface, commsAddress, p4runtimeAddress, gnmiAddress, certificates } = settings;
  const files = settings.package === undefined ? [] : [join(settings.package, 'context.json')];
  return [
    rootStep(),
    interfaceStep(commsInterface, 'interface of the communication channel'),
    commsChannelStep(commsInterface, commsAddress),
    certificatesStep(certificates),
    ...(files.length === 0
      ? []
      : [filesStep('P4 package', files, 'Give the directory of the released package.')]),
    listenerStep('P4Runtime of infrap4d', p4runtimeAddress, 'Start infrap4d.'),
    listenerStep('gNMI of infrap4d', gnmiAddress, 'Start infrap4d.'),
  ];
}
