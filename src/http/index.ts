export { serve } from './serve.ts';
export type { Handler, ServeOptions } from './serve.ts';
export { listen } from './listen.ts';
export type { Listener, ListenOptions } from './listen.ts';
export { PortError } from './listen.ts';
export type { Serving } from './listen.ts';
