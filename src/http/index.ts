export { serve, PortError } from './serve.ts';
export type { Handler, ServeOptions, Serving } from './serve.ts';
