import { join } from 'node:path';
import { describe, it } from 'node:test';
import { RuleTester, type Rule } from 'eslint';
import tseslint from 'typescript-eslint';

const { ownText } = (await import(join(import.meta.dirname, '../../../scripts/lint/own-text.js'))) as {
  readonly ownText: Rule.RuleModule;
};

RuleTester.describe = describe;
RuleTester.it = it;

const errors = [{ messageId: 'matched' }];

/** Each of these stood in src/: this is how it took a wrong timeout for a retired model. */
const OWN_TEXT_MATCHED = [
  `const RETIRED = /, retired/; problems.every((problem) => RETIRED.test(problem));`,
  `problems.some((problem) => OF_KEY.test(problem));`,
  `problems.map((problem) => (/^ANTHROPIC_AUTH_TOKEN is /.test(problem) ? MISSING : problem));`,
  'problems.filter((problem) => !problem.startsWith(`${used}: `));',
  `report.notices.filter((notice) => !/^ANTHROPIC_\\w+_MODEL: /.test(notice));`,
  `error.problems.some((problem) => problem.includes('the field budgets and no other'));`,
  `const [, place] = /^(tier\\S*): (.*)$/s.exec(problem) ?? [];`,
  'const sentence = (finding) => finding.replace(`${variable}: `, "");',
  `problem.split('. Make one at ')[0];`,
  `found.problem.replace(/^got /, '');`,
  `const MISSING = 'TOKEN is undefined: expected the key, ' + 'got nothing'; MISSING.replace('is undefined', 'is empty');`,
  `new PortError(error.code, error.message.replace('--port', '--metrics-port'));`,
  `error.message.startsWith("Cannot find package 'x'");`,
];

const IN_ANOTHER_WAY = [
  `if (error.message === 'no key') stop();`,
  `if ('no key' !== error?.message) stop();`,
  `const said = error.message; if (said.includes('retired')) stop();`,
  `if (sentenceOf(problem).endsWith('retired')) stop();`,
  `const said = sentenceOf(problem); if (/retired/.test(said)) stop();`,
  `if (problem.got.includes('retired')) stop();`,
  `if (/retired/.exec(\`\${error.message}\`)) stop();`,
  `if (String(error).includes('retired')) stop();`,
  `switch (error.message) { case 'no key': stop(); }`,
  `if ((error.message ?? '').indexOf('retired') >= 0) stop();`,
];

const DATA_READ = [
  `if (problem.kind === 'retired_model' || problem.field === 'ANTHROPIC_ENV') stop();`,
  `if (error.code === 'ENOENT' || String(error.code).startsWith('ERR_PARSE_ARGS')) stop();`,
  `if (message === '' || error.message !== '') say(message);`,
  `error.message.split('\\n').forEach(print);`,
  `if (named.includes(problem)) stop();`,
  `if (typeof message['model'] === 'string' && /^claude-/.test(model)) stop();`,
  `const WORDS = 'the tide was low and slow'.split(' ');`,
  `const LETTERS = 'abcdef'; if (LETTERS.includes(letter)) stop();`,
  `if (path.startsWith('/plimsoll/') && /^sk-/.test(text)) stop();`,
];

new RuleTester({ languageOptions: { parser: tseslint.parser } }).run('own-text', ownText, {
  valid: DATA_READ,
  invalid: [...OWN_TEXT_MATCHED, ...IN_ANOTHER_WAY].map((code) => ({ code, errors })),
});
