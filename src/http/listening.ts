import type { Server } from 'node:http';

/** A server that listens. */
export interface Serving {
  readonly url: string;
  readonly port: number;
  /**
   * Takes no new connections, lets the requests under way end for at most `graceMs` (default 5,000), then breaks them.
   * Safe to call again; every call waits for the end.
   */
  readonly close: (graceMs?: number) => Promise<void>;
}

/** The port cannot be had. `message` is one line that says what to do. */
export class PortError extends Error {
  readonly code: 'PLIMSOLL_PORT_IN_USE' | 'PLIMSOLL_PORT_DENIED';

  constructor(code: PortError['code'], message: string) {
    super(message);
    this.name = 'PortError';
    this.code = code;
  }
}

/** Makes the server listen. Rejects with `PortError` where the port cannot be had. */
export async function listening(server: Server, port: number, host: string): Promise<Serving> {
  let closing: Promise<void> | null = null;
  server.on('request', (_, outgoing) => {
    outgoing.once('close', () => {
      if (closing !== null) server.closeIdleConnections();
    });
  });
  await bound(server, port, host);
  const address = server.address();
  const boundPort = typeof address === 'object' && address !== null ? address.port : port;
  return {
    port: boundPort,
    url: `http://${host.includes(':') ? `[${host}]` : host}:${boundPort}`,
    close(graceMs = 5_000) {
      closing ??= closed(server, graceMs);
      return closing;
    },
  };
}

async function bound(server: Server, port: number, host: string): Promise<void> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, host, () => {
        server.off('error', reject);
        resolve();
      });
    });
  } catch (error) {
    throw portError(error, port, host) ?? error;
  }
}

function portError(error: unknown, port: number, host: string): PortError | null {
  switch (codeOf(error)) {
    case 'EADDRINUSE':
      return new PortError(
        'PLIMSOLL_PORT_IN_USE',
        `Port ${port} on ${host} is in use: choose another with --port, or stop the program that has it.`,
      );
    case 'EACCES':
      return new PortError(
        'PLIMSOLL_PORT_DENIED',
        `Port ${port} on ${host} needs more rights than this user has: choose one above 1023 with --port.`,
      );
    default:
      return null;
  }
}

function closed(server: Server, graceMs: number): Promise<void> {
  const impatience = setTimeout(() => server.closeAllConnections(), graceMs);
  return new Promise((resolve) => {
    server.close(() => {
      clearTimeout(impatience);
      resolve();
    });
    server.closeIdleConnections();
  });
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : null;
}
