export { consoleHandler } from './handler.ts';
export type { ConsoleOptions } from './handler.ts';
