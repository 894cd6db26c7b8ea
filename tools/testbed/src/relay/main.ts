/**
 * Runs in the node's network namespace and passes connections on from Unix sockets, which the file system makes reachable
 * from every namespace, to TCP ports: relay.js SOCKET=HOST:PORT ...
 */
import { connect, createServer } from 'node:net';

for (const argument of process.argv.slice(2)) {
  const [socketPath = '', address = ''] = argument.split('=');
  const [host, port] = address.split(':');
  createServer((near) => {
    const far = connect({ host: host ?? '', port: Number(port), noDelay: true });
    near.on('error', () => far.destroy());
    near.on('close', () => far.destroy());
    far.on('error', () => near.destroy());
    far.on('close', () => near.destroy());
    near.pipe(far);
    far.pipe(near);
  }).listen(socketPath);
}
