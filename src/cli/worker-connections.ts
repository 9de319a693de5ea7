import type { ChildProcess } from 'node:child_process';

/** A message of Node's cluster with a connection, or its answer: lib/internal/cluster/utils.js of Node 22 and 24. */
interface ClusterMessage {
  readonly cmd: 'NODE_CLUSTER';
  readonly seq?: number;
  readonly ack?: number;
}

interface Connection {
  readonly close: () => void;
}

/** Workers decline connections while they end or are full. Node would never stop offering one that nobody takes. */
const MOST_OFFERS = 32;

const offers = new WeakMap<Connection, number>();

/**
 * The connections that are handed to a worker, until it says that it has them. If it dies before, Node forgets them and leaves
 * them open: their clients would wait in vain.
 */
export class HandedConnections {
  readonly #process: ChildProcess;
  readonly #open = new Map<number, Connection>();

  constructor(process: ChildProcess) {
    this.#process = process;
    const send = process.send.bind(process) as (...args: readonly unknown[]) => boolean;
    process.send = (message: unknown, connection?: unknown, ...rest: readonly unknown[]) => {
      if (isOfCluster(message) && message.seq !== undefined && isConnection(connection)) {
        const { seq } = message;
        if (isOfferedTooOften(connection)) {
          setImmediate(() => this.#acknowledge(seq, true));
          return true;
        }
        this.#open.set(seq, connection);
      }
      return send(message, connection, ...rest);
    };
    process.on('internalMessage', (message: unknown) => {
      if (isOfCluster(message) && message.ack !== undefined) this.#open.delete(message.ack);
    });
  }

  /**
   * Gives what a dead worker never took to another one, as if this one had declined, or closes it where there is none. All that
   * the worker said must have been read.
   */
  release(isAnotherServing: boolean): void {
    const left = [...this.#open];
    for (const [seq, connection] of left) {
      if (isAnotherServing) this.#acknowledge(seq, false);
      else connection.close();
    }
    this.#open.clear();
  }

  /** Lets Node go on as if the worker had answered: it closes its copy of an accepted connection, and offers a declined one again. */
  #acknowledge(ack: number, accepted: boolean): void {
    this.#process.emit('internalMessage', { cmd: 'NODE_CLUSTER', ack, accepted });
  }
}

function isOfferedTooOften(connection: Connection): boolean {
  const times = (offers.get(connection) ?? 0) + 1;
  offers.set(connection, times);
  return times > MOST_OFFERS;
}

function isOfCluster(message: unknown): message is ClusterMessage {
  return typeof message === 'object' && message !== null && 'cmd' in message && message.cmd === 'NODE_CLUSTER';
}

function isConnection(given: unknown): given is Connection {
  return typeof given === 'object' && given !== null && 'close' in given && typeof given.close === 'function';
}
