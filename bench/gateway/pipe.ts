/** What a proxy costs at the least: node:http to node:http, nothing read and nothing changed but the host. */
import { Agent, createServer, request, type Server } from 'node:http';

/** A server that passes every request on to the upstream as it is, and its answer back. */
export function pipe(upstream: string): Server {
  const agent = new Agent({ keepAlive: true });
  const { hostname, port, host } = new URL(upstream);
  return createServer((incoming, outgoing) => {
    const onward = request(
      {
        agent,
        hostname,
        port,
        method: incoming.method,
        path: incoming.url,
        headers: { ...incoming.headers, host },
      },
      (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
        answer.pipe(outgoing);
      },
    );
    onward.on('error', () => outgoing.destroy());
    outgoing.on('close', () => onward.destroy());
    incoming.pipe(onward);
  });
}
