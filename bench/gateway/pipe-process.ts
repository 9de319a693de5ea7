import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { answering } from './child.ts';
import { pipe } from './pipe.ts';

const server = pipe(process.argv[2] ?? '');
// As long as the gateway's: it waits for its turn for longer than Node's own 5 s.
server.keepAliveTimeout = 75_000;
server.listen(0, '127.0.0.1');
await once(server, 'listening');

answering({ url: () => `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
