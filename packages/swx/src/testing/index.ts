export { arpRequest, type PacketOptions, packet } from './packets.js';
export { REFUSED, TAKEN } from './refused.js';
