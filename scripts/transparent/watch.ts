import { describe } from './describe.ts';

type Note = (channel: string, what: string, is: string) => void;

const CONSOLE = ['error', 'warn', 'info', 'log', 'debug'] as const;

/**
 * Notes what reaches the process while `during` runs, which would otherwise end it or be printed: rejections and
 * exceptions that nobody handles, warnings, and what is written to the console.
 */
export async function watching<T>(note: Note, during: () => Promise<T>): Promise<T> {
  const listeners = {
    unhandledRejection: (reason: unknown) => note('process', 'unhandled rejection', describe(reason)),
    uncaughtException: (error: unknown) => note('process', 'uncaught exception', describe(error)),
    warning: (warning: Error) => {
      if (!isOncePerProcess(warning)) note('process', 'warning', describe(warning));
    },
  };
  const { error, warn, info, log, debug } = console;
  for (const method of CONSOLE) {
    console[method] = (...values: unknown[]) =>
      note('console', method, values.map((value) => describe(value)).join(' '));
  }
  for (const [event, listener] of Object.entries(listeners)) process.on(event, listener);
  try {
    return await during();
  } finally {
    for (const [event, listener] of Object.entries(listeners)) process.off(event, listener);
    Object.assign(console, { error, warn, info, log, debug });
  }
}

/** Node warns once of what is deprecated or experimental in itself, whoever uses it first. */
function isOncePerProcess(warning: Error & { readonly code?: string }): boolean {
  return warning.code?.startsWith('DEP') === true || warning.name === 'ExperimentalWarning';
}
