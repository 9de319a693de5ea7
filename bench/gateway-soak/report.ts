import type { Memory, Shape, Soaked } from './soak.ts';

const mib = (bytes: number): string => (bytes / 2 ** 20).toFixed(1);

function memoryLine({ when, rssBytes, heapBytes }: Memory): string {
  return `  ${when.padEnd(8)} RSS ${mib(rssBytes).padStart(6)} MiB   heap ${mib(heapBytes).padStart(5)} MiB`;
}

/** What was sent, what it cost the gateway and what it held meanwhile, in lines. */
export function soakLines({ received, memory, mostOpen }: Soaked, { pieces, forSeconds }: Shape): readonly string[] {
  const cpuMicros = (memory.at(-1)?.cpuMicros ?? 0) - (memory[0]?.cpuMicros ?? 0);
  const sent = received.streams * pieces;
  return [
    `${received.streams} streams, at most ${mostOpen} at once, new ones for ${forSeconds} s; ${mib(received.bytes)} MiB in ${sent} pieces`,
    `gateway CPU: ${(cpuMicros / 1e6).toFixed(1)} s, ${(cpuMicros / sent).toFixed(0)} µs per piece`,
    'gateway memory, after a garbage collection:',
    ...memory.map(memoryLine),
  ];
}
