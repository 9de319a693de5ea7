/** Writes the pages `docs/environment.md` and `docs/gateway-settings.md` from the two files that users copy and fill in. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const read = (path: string): string => readFileSync(join(import.meta.dirname, '..', path), 'utf8');

const ENVIRONMENT = `# Environment variables

<!-- Made from .env.example by \`npm run generate\`. -->

This page lists the variables that plimsoll reads, and says when to change each. A line that begins with \`#\` is not set by default.
[Configuration](configuration.md) says how to load them, and what is refused.
`;

const GATEWAY = `# Settings of the gateway

<!-- Made from deploy/gateway.yaml by \`npm run generate\`. -->

This page has every field of the file that \`plimsoll gateway --config\` reads, with its default. [The gateway](gateway.md) explains what
the fields are for.
`;

/** One section for each variable: the comment above it, and the line. */
export function environmentReference(): string {
  const [, ...variables] = read('.env.example').trimEnd().split('\n\n');
  return [ENVIRONMENT, ...variables.map(section)].join('\n');
}

function section(lines: string): string {
  const all = lines.split('\n');
  const line = all.at(-1) ?? '';
  const [, name] = /^(?:# )?([A-Z_]+)=/.exec(line) ?? [];
  if (name === undefined) throw new Error(`.env.example: expected NAME=value below its comment, got ${line}`);
  const comment = all.slice(0, -1).map((text) => text.replace(/^# ?/, ''));
  return `## ${name}\n\n${comment.join('\n')}\n\n\`\`\`sh\n${line}\n\`\`\`\n`;
}

/** The file, as it is. */
export function gatewayReference(): string {
  return `${GATEWAY}\n\`\`\`yaml\n${read('deploy/gateway.yaml')}\`\`\`\n`;
}
