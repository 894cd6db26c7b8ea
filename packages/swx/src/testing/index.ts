export { arpRequest, type PacketOptions, packet } from './packets.js';
