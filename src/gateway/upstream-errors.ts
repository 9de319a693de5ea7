import { UNSENT_CODE } from '../observe/exchange.ts';
import { BodyTooLargeError, GivenUpError } from './request-body.ts';

/** The API sent nothing for too long. */
export class UpstreamTimeoutError extends Error {
  readonly code = 'PLIMSOLL_UPSTREAM_SILENT';

  constructor() {
    super('the API sent nothing for too long');
    this.name = 'UpstreamTimeoutError';
  }
}

/** The client sent nothing more of its request, or read nothing of the response, until the connection to the API timed out. */
export class ClientTimeoutError extends Error {
  constructor() {
    super('the client sent or read nothing for too long');
    this.name = 'ClientTimeoutError';
  }
}

/** No connection was made in time, so nothing was sent. The code is the one that fetch has for it. */
export class ConnectTimeoutError extends Error {
  readonly code = 'UND_ERR_CONNECT_TIMEOUT';

  constructor() {
    super('the API accepted no connection in time');
    this.name = 'ConnectTimeoutError';
  }
}

/** The request failed before there was a connection for it, so nothing of it was sent. */
export class UnsentError extends Error {
  readonly code = UNSENT_CODE;

  constructor(cause: unknown) {
    super('no connection to the API was made', { cause });
    this.name = 'UnsentError';
  }
}

/** The API did what HTTP/1.1 does not allow. */
export class ProtocolError extends Error {
  readonly code = 'PLIMSOLL_UPSTREAM_PROTOCOL';

  constructor() {
    super('the API did what HTTP/1.1 does not allow');
    this.name = 'ProtocolError';
  }
}

/** Tells whether a request ended because of its client, or of the gateway. */
export function isByClient(error: unknown): boolean {
  return error instanceof BodyTooLargeError || error instanceof GivenUpError || error instanceof ClientTimeoutError;
}
