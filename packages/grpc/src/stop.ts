import type { Server } from '@grpc/grpc-js';

/** Lets calls in progress finish, but takes no new ones; ends those that take longer than `graceMs`. */
export async function stopServer(server: Server, graceMs: number): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(() => {
      server.forceShutdown();
      resolve();
    }, graceMs);
    server.tryShutdown(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
