/** Keeps P4Runtime switches in the wanted state, whoever changes them. */

export type { ControlledSwitch } from './controlled-switch.js';
export { type ControllerOptions, P4RuntimeController } from './controller.js';
export { ControllerError, type ControllerErrorCode } from './errors.js';
export type { ControllerEvents, Refusal } from './events.js';
export type { SwitchOptions, SwitchPipeline } from './options.js';
