import assert from 'node:assert/strict';
import { globSync } from 'node:fs';
import { join, relative } from 'node:path';
import test, { describe } from 'node:test';
import ts from 'typescript';
import { STAGES } from '../src/record/metrics/metric.ts';

/**
 * A closed set is total: a new member does not compile until every place that has a table over the set has a line for
 * it. Shown by compiling the tree with one member more.
 */

const root = join(import.meta.dirname, '..');

interface ClosedSet {
  /** The file that declares the set. */
  readonly file: string;
  /** A member of the list, or, for a type, where its members begin and how one is written. */
  readonly member: string | { readonly begin: string; readonly another: string };
  /** The places that must not compile with another member. */
  readonly places: readonly string[];
}

/** The closed sets by name. */
const SETS: Readonly<Record<string, ClosedSet>> = {
  RATE_LIMIT_REASONS: {
    file: 'src/vocabulary.ts',
    member: 'fast_mode',
    places: [
      'scripts/label-meanings.ts',
      'src/check/refusals.ts',
      'src/pace/settle.ts',
      'src/rules/covered.ts',
      'src/tier/throttles.ts',
      'src/vocabulary.ts',
      'testing/every-member.ts',
    ],
  },
  OUTCOMES: {
    file: 'src/vocabulary.ts',
    member: 'payment_required',
    places: [
      'monitoring/dashboards/colors.ts',
      'scripts/label-meanings.ts',
      'src/record/model-series.ts',
      'src/record/otel/instruments.ts',
      'src/rules/covered.ts',
      'testing/every-member.ts',
    ],
  },
  SPEND_SCOPES: {
    file: 'src/vocabulary.ts',
    member: 'contract',
    places: [
      'scripts/label-meanings.ts',
      'src/check/refusals.ts',
      'src/observe/rejection.ts',
      'src/rules/covered.ts',
      'testing/every-member.ts',
    ],
  },
  RETRY_DENIALS: {
    file: 'src/vocabulary.ts',
    member: 'not_retryable',
    places: ['scripts/label-meanings.ts', 'testing/every-member.ts'],
  },
  REFUSAL_CATEGORIES: { file: 'src/answers.ts', member: 'unstated', places: ['scripts/label-meanings.ts'] },
  RefusalBilling: {
    file: 'src/answers.ts',
    member: { begin: 'export type RefusalBilling =', another: "'one_more_than_there_is' |" },
    places: ['scripts/label-meanings.ts'],
  },
  CostDoubt: {
    file: 'src/answers.ts',
    member: { begin: 'export type CostDoubt =', another: "'one_more_than_there_is' |" },
    places: ['scripts/label-meanings.ts', 'src/cli/prices-explain.ts'],
  },
  CACHE_MISS_REASONS: { file: 'src/answers.ts', member: 'unavailable', places: ['scripts/label-meanings.ts'] },
  FallbackBy: {
    file: 'src/answers.ts',
    member: { begin: 'export type FallbackBy =', another: "'one_more_than_there_is' |" },
    places: ['scripts/label-meanings.ts'],
  },
  GATEWAY_REFUSALS: {
    file: 'src/record/metrics/catalogue-gateway.ts',
    member: 'draining',
    places: ['scripts/label-meanings.ts', 'src/gateway/errors.ts'],
  },
  RESEND_CAUSES: {
    file: 'src/record/metrics/catalogue-gateway.ts',
    member: 'broken_pipe',
    places: ['scripts/label-meanings.ts'],
  },
  CONFIGURATION_LOADS: {
    file: 'src/record/metrics/catalogue-gateway.ts',
    member: 'needs_restart',
    places: ['scripts/label-meanings.ts'],
  },
  FAILOVER_REASONS: {
    file: 'src/record/metrics/catalogue-gateway.ts',
    member: 'unreachable',
    places: ['scripts/label-meanings.ts', 'src/gateway/upstreams/key-states.ts'],
  },
  FailoverWay: {
    file: 'src/record/metrics/catalogue-gateway.ts',
    member: { begin: 'export type FailoverWay =', another: "'one_more_than_there_is' |" },
    places: ['scripts/label-meanings.ts'],
  },
  AuthenticationFailure: {
    file: 'src/gateway/grant.ts',
    member: { begin: 'export type AuthenticationFailure =', another: "'one_more_than_there_is' |" },
    places: ['src/gateway/access/mint.ts', 'src/gateway/handle.ts'],
  },
  ClientRules: {
    file: 'src/gateway/access/client.ts',
    member: {
      begin: 'export interface ClientRules extends Limits {',
      another: 'readonly oneMoreThanThereIs: true | null;',
    },
    places: ['src/gateway/access/client.ts', 'src/gateway/configuration/clients.ts', 'src/gateway/rules.ts'],
  },
  TURN_ENDS: { file: 'src/pace/turn.ts', member: 'max_wait', places: ['scripts/label-meanings.ts'] },
  STAGES: { file: 'src/record/metrics/metric.ts', member: 'on_call', places: ['scripts/label-meanings.ts'] },
};

/** Every file that is to be looked at, whichever set grows. */
const PLACES = [...new Set(Object.values(SETS).flatMap(({ places }) => places))].sort();

const sources = globSync('src/**/*.ts', { cwd: root });
const host = compilerHost();
const untouched = program();

function compilerHost(): ts.CompilerHost {
  const plain = ts.createCompilerHost(options());
  const known = new Map<string, ts.SourceFile | undefined>();
  return {
    ...plain,
    getSourceFile(name, version, ...rest) {
      const found = known.get(name) ?? plain.getSourceFile(name, version, ...rest);
      known.set(name, found);
      return found;
    },
  };
}

function options(): ts.CompilerOptions {
  const read = ts.readConfigFile(join(root, 'tsconfig.json'), (path) => ts.sys.readFile(path));
  const { config, error } = read as { readonly config?: unknown; readonly error?: ts.Diagnostic };
  assert.equal(error, undefined);
  return ts.parseJsonConfigFileContent(config, ts.sys, root).options;
}

/** The sources, the places and all that they import; `grown` stands for files with another text. */
function program(grown: ReadonlyMap<string, string> = new Map(), old?: ts.Program): ts.Program {
  const own: ts.CompilerHost = {
    ...host,
    getSourceFile(name, version, ...rest) {
      const text = grown.get(relative(root, name));
      return text === undefined
        ? host.getSourceFile(name, version, ...rest)
        : ts.createSourceFile(name, text, version, true);
    },
  };
  const rootNames = [...sources, ...PLACES].map((path) => join(root, path));
  return ts.createProgram({ rootNames, options: options(), host: own, ...(old && { oldProgram: old }) });
}

/** The places that do not compile. */
function failing(compiled: ts.Program): readonly string[] {
  return PLACES.filter((place) => {
    const source = compiled.getSourceFile(join(root, place));
    assert.ok(source, place);
    return compiled.getSemanticDiagnostics(source).length > 0;
  });
}

/** The file with one member more in the set. */
function withAnother({ file, member }: Pick<ClosedSet, 'file' | 'member'>, set: string): string {
  const text = untouched.getSourceFile(join(root, file))?.text ?? '';
  const grown =
    typeof member === 'string'
      ? text.replace(
          new RegExp(`(export const ${set} = \\[[^\\]]*'${member}')`),
          (found: string) => `${found}, 'one_more_than_there_is'`,
        )
      : text.replace(member.begin, (begin) => `${begin} ${member.another}`);
  assert.notEqual(grown, text, `${set} is not declared in ${file} as it is expected here`);
  return grown;
}

test('every place compiles as it is', () => {
  assert.deepEqual(failing(untouched), []);
});

describe('a member more does not compile in any table that needs it:', () => {
  for (const [set, { file, member, places }] of Object.entries(SETS)) {
    test(set, () => {
      const grown = program(new Map([[file, withAnother({ file, member }, set)]]), untouched);
      assert.deepEqual(failing(grown), [...places].sort());
    });
  }
});

/** The strings of a file that are given where a stage is asked for, or some of them. */
function stagesGiven(source: ts.SourceFile, checker: ts.TypeChecker): readonly string[] {
  const found: string[] = [];
  const known: readonly string[] = STAGES;
  const visit = (node: ts.Node): void => {
    if (ts.isStringLiteral(node) && known.includes(node.text) && ts.isCallExpression(node.parent)) {
      const asked = checker.getContextualType(node);
      const members = asked?.isUnion() ? asked.types : [asked];
      if (members.every((one) => one?.isStringLiteral() && known.includes(one.value))) found.push(node.text);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

test('every stage of plimsoll_errors_total is one in which something fails', () => {
  const checker = untouched.getTypeChecker();
  const given = sources.flatMap((path) => {
    const source = untouched.getSourceFile(join(root, path));
    return source === undefined ? [] : stagesGiven(source, checker);
  });
  assert.deepEqual(
    STAGES.filter((stage) => !given.includes(stage)),
    [],
  );
});
