import type { Command } from './command.ts';
import { tokenCommand } from './gateway-token.ts';

/** `plimsoll gateway`. */
export const command: Command = {
  name: 'gateway',
  summary: 'a proxy that holds the key: own tokens in, the same numbers out',
  async run([first, ...rest], io) {
    if (first === 'token') return tokenCommand(rest, io);
    io.err('Expected token.');
    return 2;
  },
};
