import assert from 'node:assert/strict';
import { globSync } from 'node:fs';
import { join, relative } from 'node:path';
import test, { describe } from 'node:test';
import ts from 'typescript';
import { STAGES } from '../src/record/metrics/metric.ts';

/**
 * A closed set is total: a new member does not compile until every place that has a table over the set has a line for
 * it. Shown by compiling the tree with one member more in each set: what does not compile names the member.
 */

const root = join(import.meta.dirname, '..');

interface ClosedSet {
  /** The file that declares the set. */
  readonly file: string;
  /** A member of the list, or, for a type, where its members begin and what is written around the name of one. */
  readonly member: string | { readonly begin: string; readonly around: readonly [string, string] };
  /** The places that must not compile with another member. */
  readonly places: readonly string[];
}

const UNION = ["'", "' |"] as const;

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
    member: { begin: 'export type RefusalBilling =', around: UNION },
    places: ['scripts/label-meanings.ts'],
  },
  CostDoubt: {
    file: 'src/answers.ts',
    member: { begin: 'export type CostDoubt =', around: UNION },
    places: ['scripts/label-meanings.ts', 'src/cli/prices-explain.ts'],
  },
  CACHE_MISS_REASONS: { file: 'src/answers.ts', member: 'unavailable', places: ['scripts/label-meanings.ts'] },
  FallbackBy: {
    file: 'src/answers.ts',
    member: { begin: 'export type FallbackBy =', around: UNION },
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
    member: { begin: 'export type FailoverWay =', around: UNION },
    places: ['scripts/label-meanings.ts'],
  },
  AuthenticationFailure: {
    file: 'src/gateway/grant.ts',
    member: { begin: 'export type AuthenticationFailure =', around: UNION },
    places: ['src/gateway/access/mint.ts', 'src/gateway/handle.ts'],
  },
  ClientRules: {
    file: 'src/gateway/access/client.ts',
    member: {
      begin: 'export interface ClientRules extends Limits {',
      around: ['readonly ', ': true | null;'],
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

/** The places that do not compile, with what the compiler says of them. */
function failing(compiled: ts.Program): readonly (readonly [place: string, said: string])[] {
  return PLACES.flatMap((place) => {
    const source = compiled.getSourceFile(join(root, place));
    assert.ok(source, place);
    return compiled
      .getSemanticDiagnostics(source)
      .map(({ messageText }) => [place, ts.flattenDiagnosticMessageText(messageText, '\n')] as const);
  });
}

const another = (set: string): string => `one_more_of_${set}`;

/** What the compiler says of a place that has no line for the member; types that only list it with the others say nothing. */
const lacks = (said: string, set: string): boolean =>
  new RegExp(`(?:Property|Type) '"?${another(set)}"?' is (?:missing|not assignable)`).test(said);

/** The text of a file with one member more in the set. */
function withAnother(text: string, set: string, member: ClosedSet['member']): string {
  const grown =
    typeof member === 'string'
      ? text.replace(
          new RegExp(`(export const ${set} = \\[[^\\]]*'${member}')`),
          (found: string) => `${found}, '${another(set)}'`,
        )
      : text.replace(member.begin, (begin) => `${begin} ${member.around.join(another(set))}`);
  assert.notEqual(grown, text, `${set} is not declared as it is expected here`);
  return grown;
}

function allGrown(): ts.Program {
  const texts = new Map<string, string>();
  for (const [set, { file, member }] of Object.entries(SETS)) {
    const text = texts.get(file) ?? untouched.getSourceFile(join(root, file))?.text ?? '';
    texts.set(file, withAnother(text, set, member));
  }
  return program(texts, untouched);
}

test('every place compiles as it is', () => {
  assert.deepEqual(failing(untouched), []);
});

describe('a member more does not compile in any table that needs it:', () => {
  const failures = failing(allGrown());

  for (const [set, { places }] of Object.entries(SETS)) {
    test(set, () => {
      const lacking = failures.filter(([, said]) => lacks(said, set)).map(([place]) => place);
      assert.deepEqual([...new Set(lacking)], [...places].sort());
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
