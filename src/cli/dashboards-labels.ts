import { got, type Problem } from '../errors.ts';
import type { ExportLabels } from '../rules/export.ts';
import { SEVERITIES, type Severity } from '../rules/rule.ts';
import { wrongArguments } from './arguments.ts';

/** What the arguments say of labels: pairs of `NAME=VALUE`. */
export interface GivenLabels {
  readonly label?: readonly string[] | undefined;
  readonly 'alert-label'?: readonly string[] | undefined;
  readonly severity?: readonly string[] | undefined;
}

/** Reads the labels of Kubernetes objects and of alerts. Throws a `ConfigurationError` with all problems. */
export function exportLabels(given: GivenLabels): ExportLabels {
  const problems: Problem[] = [];
  const read = (option: keyof GivenLabels, rule: PairRule): Readonly<Record<string, string>> => {
    const pairs = (given[option] ?? []).map((text) => /^([^=]*)=(.*)$/s.exec(text) ?? [text, '', '']);
    for (const [text = '', name = '', value = ''] of pairs) {
      if (rule.fits(name, value)) continue;
      const { expected } = rule;
      problems.push({ kind: 'invalid', field: `--${option}`, expected, got: got(text), advice: null });
    }
    return Object.fromEntries(pairs.map(([, name = '', value = '']) => [name, value]));
  };
  const labels: ExportLabels = {
    objects: read('label', OBJECT_LABEL),
    alerts: read('alert-label', ALERT_LABEL),
    severities: read('severity', SEVERITY),
  };
  if (problems.length > 0) throw wrongArguments(...problems);
  return labels;
}

interface PairRule {
  readonly expected: string;
  fits(name: string, value: string): boolean;
}

const isSeverity = (name: string): name is Severity => (SEVERITIES as readonly string[]).includes(name);

/** As Kubernetes has it: a prefix that is a host name, and a name; a value of at most 63 characters. */
const OBJECT_LABEL: PairRule = {
  expected: 'NAME=VALUE as labels of Kubernetes objects are, such as release=prometheus',
  fits: (name, value) =>
    /^([a-z\d]([a-z\d.-]{0,251}[a-z\d])?\/)?[a-z\d]([\w.-]{0,61}[a-z\d])?$/i.test(name) &&
    /^([a-z\d]([\w.-]{0,61}[a-z\d])?)?$/i.test(value),
};

const ALERT_LABEL: PairRule = {
  expected: 'NAME=VALUE with a name that no alert has of its own, such as team=payments',
  fits: (name, value) => /^[a-z_]\w*$/i.test(name) && !['alertname', 'severity', 'job'].includes(name) && value !== '',
};

const SEVERITY: PairRule = {
  expected: `${SEVERITIES.join('=NAME or ')}=NAME, such as page=critical`,
  fits: (name, value) => isSeverity(name) && value !== '',
};
